"""Comparisons of all pairs of a large corpus, kept from one command to the next.

All pairs of a million recordings take minutes, each experiment asks for them, and they follow from
the functionals alone. So the pairs found are kept in the user's cache folder, by a digest of all
that they depend on; a file that cannot be read or written only costs the time again.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from tokser.durable import write_atomically
from tokser.experiments.splits import near_duplicates
from tokser.experiments.splits.near_duplicates import NearDuplicates, find_near_duplicates

__all__ = ["KEPT_FROM", "cache_folder", "find_or_recall"]

KEPT_FROM = 100_000
"""Utterances from which on a comparison is kept: fewer are compared in a few seconds."""
MOST_PAIRS = 2_000_000
"""Pairs up to which it is kept: 24 MB."""
MOST_FILES = 16
"""Comparisons that are kept; the oldest go."""


def find_or_recall(
    ids: Sequence[str],
    units: Float32[np.ndarray, "utterances features"],
    *,
    threshold: float | None = None,
    on_rows: Callable[[int], None] = lambda count: None,
) -> NearDuplicates:
    """Return what `find_near_duplicates` returns, from the cache folder if it is there."""
    if len(ids) < KEPT_FROM:
        return find_near_duplicates(ids, units, threshold=threshold, on_rows=on_rows)
    file = cache_folder() / f"{_digest(units, threshold)}.npz"
    found = _recalled(file, ids)
    if found is None:
        found = find_near_duplicates(ids, units, threshold=threshold, on_rows=on_rows)
        _keep(file, found)
    else:
        on_rows(len(ids))
    return found


def cache_folder() -> Path:
    """Return where comparisons are kept: `tokser/comparisons` in the user's cache folder."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given else Path.home() / ".cache") / "tokser" / "comparisons"


def _digest(units: Float32[np.ndarray, "utterances features"], threshold: float | None) -> str:
    """Return a digest of the vectors and of every constant that the pairs depend on."""
    limits = (
        near_duplicates.LOWEST_THRESHOLD,
        near_duplicates.HIGHEST_THRESHOLD,
        near_duplicates.SPREADS_APART,
        near_duplicates.MOST_PER_RECORDING,
    )
    digest = hashlib.sha256(repr((1, limits, threshold, units.shape)).encode())
    digest.update(np.ascontiguousarray(units).data)
    return digest.hexdigest()


def _recalled(file: Path, ids: Sequence[str]) -> NearDuplicates | None:
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as kept:
            least, spread, nearest = kept["numbers"].tolist()
            return NearDuplicates(
                tuple(ids),
                kept["first"],
                kept["second"],
                kept["cosines"],
                least,
                spread,
                nearest,
                bool(kept["is_complete"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # none, or a broken one
        return None


def _keep(file: Path, found: NearDuplicates) -> None:
    if len(found.first) > MOST_PAIRS:
        return
    content = io.BytesIO()
    np.savez(
        content,
        first=found.first,
        second=found.second,
        cosines=found.cosines,
        numbers=np.array([found.threshold, found.spread, found.nearest_below]),
        is_complete=np.array(found.is_complete),
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content.getvalue())
        kept = sorted(file.parent.glob("*.npz"), key=lambda one: one.stat().st_mtime)
        for old in kept[:-MOST_FILES]:
            old.unlink(missing_ok=True)
    except OSError:  # no place to keep it, or another process takes away the same file
        return
