"""Put damaged shards back to work: out of the journal, so that the next run writes them anew."""

from collections.abc import Iterable

from tokser.store.locks import Locks
from tokser.store.reader import Store
from tokser.store.schema import PARTS

__all__ = ["requeue"]


def requeue(store: Store, shards: Iterable[tuple[str, int]]) -> None:
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
            # The entry first: a shard without entry is work to do, an entry without shard damage.
            store.backend.drop_entry(feature, shard)
            group, _, name = feature.rpartition("/")
            spec = store.group(group.partition(f"/{PARTS}/")[0]).features[name]
            key = store.backend.shard_key(feature, shard, spec)
            store.backend.objects.delete(key)
