"""Check that a store is whole."""

from tokser.progress import progress_bar
from tokser.store import Verification, open_store, verify_store

__all__ = ["verify"]

_MB = 10**6


def verify(path: str) -> Verification:
    """Read everything in a store, and hold it against the journal.

    Raises:
        MissingInputError: There is no store at `path`.
    """
    store = open_store(path)
    total = sum(
        group.num_rows * sum(spec.row_bytes for spec in group.features.values())
        for group in map(store.group, store.groups)
    )
    with progress_bar(f"verify {path}", total=total // _MB, unit="MB") as bar:
        num_bytes = 0

        def count(more: int) -> None:
            nonlocal num_bytes
            bar.advance((num_bytes + more) // _MB - num_bytes // _MB)
            num_bytes += more

        return verify_store(store, count)
