"""Invalidate shards: out of the journal, so that the next run computes them again."""

from collections.abc import Iterable

from tokser.store.catalogue import Catalogue
from tokser.store.feature_name import FeatureName
from tokser.store.locks import Locks

__all__ = ["invalidate"]


def invalidate(store: Catalogue, shards: Iterable[tuple[str, int]]) -> None:
    """Take shards out of the journal, and remove their files.

    Args:
        store: The store; open it again afterwards.
        shards: Where the feature, or a part of it, lies, and number of each.

    Raises:
        RunError: The store cannot be written to.
    """
    locks = Locks(store.backend)
    with locks.plan():
        for feature, shard in sorted(set(shards)):
            # The entry first: a shard without entry is pending, an entry without shard is damage.
            store.backend.drop_entry(feature, shard)
            name = FeatureName.parse(feature)
            spec = store.group(name.group_key).features[name.array]
            key = store.backend.shard_key(feature, shard, spec)
            store.backend.objects.delete(key)
