"""Utterances that a store has set aside, whether it keeps their rows or functionals alone."""

from tokser.store import Store
from tokser.store.schema import FUNCTIONALS

__all__ = ["all_quarantined"]


def all_quarantined(store: Store) -> dict[str, str]:
    """Return reasons, by id, of the utterances that some feature or its functionals set aside."""
    of_functionals = {
        utterance: reason
        for array in store.arrays
        if array.startswith(FUNCTIONALS)
        for utterance, reason in store[array].quarantined.items()
    }
    return of_functionals | store.quarantined
