"""What is in a store, as plain values."""

from typing import Any

from tokser.store import FeatureName, Store, open_store
from tokser.store.list_quarantined import all_quarantined

__all__ = ["info"]


def info(path: str) -> dict[str, Any]:
    """Describe a store: features, shapes, bytes, how much is committed, provenance, quarantine.

    Raises:
        MissingInputError: There is no store at `path`.
    """
    store = open_store(path)
    pooled = set(store.pooled)
    return {
        "path": store.path,
        "dataset": store.dataset,
        "format": store.attributes.format,
        "backend": store.backend.name,
        "num_utterances": store.attributes.num_utterances,
        "manifest_digest": store.attributes.manifest_digest,
        "table_version": store.version,
        "table_versions": [
            one.model_dump(mode="json", exclude={"files"}) for one in store.versions
        ],
        "removals": [one.model_dump(mode="json") for one in store.attributes.removals],
        "root": store.attributes.root,
        "features": [
            *(_feature(store, name) | {"pooled": name in pooled} for name in store.features),
            *(
                _feature(store, str(FeatureName.parse(name).functionals())) | {"pooled": True}
                for name in store.pooled
                if name not in store.features
            ),
        ],
        "provenance": {name: store.group(name).provenance for name in store.groups},
        "quarantined": all_quarantined(store),
    }


def _feature(store: Store, name: str) -> dict[str, Any]:
    layer = store[name]
    num_done = sum(entry is not None for entry in layer.entries)
    up_to_date = 1 - len(layer.outdated) / len(store.ids)
    return {
        "name": name,
        "kind": layer.kind,
        "num_rows": layer.num_rows,
        "dim": layer.dim,
        "dtype": str(layer.dtype),
        "compression": layer.compression,
        "num_bytes": layer.num_bytes,
        "num_shards": len(layer.entries),
        "num_shards_committed": num_done,
        "num_outdated": len(layer.outdated),
        "complete_percent": round(100 * min(num_done / len(layer.entries), up_to_date), 1),
    }
