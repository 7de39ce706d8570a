"""Check that a store is undamaged."""

from tokser.progress import progress_bar
from tokser.store import Store, Verification, open_store, verify_store

__all__ = ["verify"]

_MB = 10**6


def verify(path: str) -> Verification:
    """Read everything in a store, and compare it with the journal.

    Raises:
        MissingInputError: There is no store at `path`.
    """
    store = open_store(path)
    total = sum(_planned_bytes(store, name) for name in store.arrays)
    with progress_bar(f"verify {path}", total=total // _MB, unit="MB") as bar:
        num_bytes = 0

        def count(more: int) -> None:
            nonlocal num_bytes
            bar.advance((num_bytes + more) // _MB - num_bytes // _MB)
            num_bytes += more

        return verify_store(store, count)


def _planned_bytes(store: Store, array: str) -> int:
    """Size of an array's shards: of their files, or as planned where asking would take long."""
    group, _, name = array.rpartition("/")
    about, objects = store.group(group), store.backend.objects
    spec = about.features[name]
    if objects.local_path("") is None:
        return about.num_rows * spec.row_bytes
    num_shards = -(-about.num_rows // about.rows_per_shard)
    keys = [store.backend.shard_key(array, shard, spec) for shard in range(num_shards)]
    return sum(objects.size(key) or 0 for key in keys)
