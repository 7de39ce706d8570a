"""Check that a store is whole."""

from tokser.progress import progress_bar
from tokser.store import Verification, open_store, verify_store

__all__ = ["verify"]


def verify(path: str) -> Verification:
    """Read everything in a store, and hold it against the journal.

    Raises:
        MissingInputError: There is no store at `path`.
    """
    store = open_store(path)
    total = store.attributes.num_utterances * len(store.arrays)
    with progress_bar(f"verify {path}", total=total, unit="utterances") as bar:
        return verify_store(store, bar.advance)
