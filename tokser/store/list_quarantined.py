"""Utterances that a store has in quarantine, of rows and of functionals alone."""

from contextlib import suppress

from tokser.errors import CorruptStoreError
from tokser.store import Store
from tokser.store.schema import FUNCTIONALS

__all__ = ["all_quarantined"]


def all_quarantined(store: Store) -> dict[str, str]:
    """Return reasons, by id, of the utterances that some feature or its functionals quarantined.

    Damaged functionals are skipped; `verify` names the damage, and `pool` repairs it.
    """
    found: dict[str, str] = {}
    for array in store.arrays:
        if array.startswith(FUNCTIONALS):
            with suppress(CorruptStoreError):
                found |= store[array].quarantined
    return found | store.quarantined
