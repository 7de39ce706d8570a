"""Verify that a store is undamaged."""

from tokser.progress import byte_bar
from tokser.store import Verification, num_bytes_to_verify, open_store, verify_store

__all__ = ["verify"]


def verify(path: str) -> Verification:
    """Read everything in a store, and compare it with the journal.

    Raises:
        MissingInputError: There is no store at `path`.
    """
    store = open_store(path)
    with byte_bar(f"verify {path}", total=num_bytes_to_verify(store)) as count:
        return verify_store(store, count)
