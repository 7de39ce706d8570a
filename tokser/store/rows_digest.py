"""Digest of the rows of a feature, from the checksums of its journal."""

from tokser.provenance import digest_of
from tokser.store import Store
from tokser.store.lookup_layer import LookupLayer

__all__ = ["rows_digest"]


def rows_digest(store: Store, feature: str) -> str:
    """Return the sha256 (hex) of the checksums that the journal has of a feature's rows.

    Nothing of the rows is read. It does not depend on how they are packed.

    Args:
        store: The store.
        feature: Name of a feature, or of functionals.
    """
    layer = store[feature]
    records = layer.records()
    return digest_of(
        [
            layer.lookup.checksum if isinstance(layer, LookupLayer) else "",
            {name: [of.checksum, of.reason is None] for name, of in records.items()},
        ]
    )
