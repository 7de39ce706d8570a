"""Recordings that are nearly the same, found by what an encoder makes of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray

from tokser.experiments.splits.close_pairs import find_close_pairs
from tokser.functionals.standardise import Standardiser

__all__ = [
    "HIGHEST_THRESHOLD",
    "LOWEST_THRESHOLD",
    "WIDEST_SPREAD",
    "NearDuplicate",
    "NearDuplicates",
    "directions",
    "find_near_duplicates",
    "spread_of_cosines",
    "threshold_for",
]

LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.80, 0.95
"""Bounds of a threshold that is derived from the corpus."""
SPREADS_APART = 6.0
"""No cosine of two different recordings was measured so many spreads from 0, docs/statistics.md."""
WIDEST_SPREAD = 0.25
"""A feature whose cosines spread further tells recordings apart too badly: by chance alone one of
the pairs among 10,000 recordings comes above the highest threshold."""
MOST_PER_RECORDING = 20
"""Pairs per recording beyond which the comparison is given up: memory stays linear."""
_SAMPLE = 2_000
_BLOCK = 512


class NearDuplicate(NamedTuple):
    """Two utterances whose recordings are nearly the same."""

    first: str
    second: str
    cosine: float


@dataclass(frozen=True)
class NearDuplicates:
    """The pairs of one corpus at or above a threshold.

    Attributes:
        ids: Utterances that were compared.
        first: Positions in `ids`, [pairs]; the strongest pairs come first.
        second: The same.
        cosines: [pairs], float32.
        threshold: The least cosine of a near-duplicate.
        spread: Standard deviation of the cosines of all pairs.
        nearest_below: The largest cosine below the threshold; -1 if there is none.
        is_complete: Whether all pairs are here; not if there are more than
            `MOST_PER_RECORDING` per recording.
    """

    ids: tuple[str, ...]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    cosines: NDArray[np.float32]
    threshold: float
    spread: float
    nearest_below: float
    is_complete: bool = True

    def named(self, which: Sequence[int] | NDArray[np.int64]) -> tuple[NearDuplicate, ...]:
        """Name some of the pairs, by their places."""
        return tuple(
            NearDuplicate(
                self.ids[self.first[k]], self.ids[self.second[k]], round(float(self.cosines[k]), 3)
            )
            for k in which
        )

    def without_copies(self, checksums: Mapping[str, str]) -> "NearDuplicates":
        """Leave out pairs of the same file: those are exact copies."""
        digests = [checksums.get(name, "") for name in self.ids]
        codes = np.unique(np.array(digests, dtype=str), return_inverse=True)[1]
        is_known = np.array([bool(digest) for digest in digests])
        first, second = self.first, self.second
        keep = ~((codes[first] == codes[second]) & is_known[first]) if len(first) else []
        kept = np.flatnonzero(keep)
        return NearDuplicates(
            self.ids,
            first[kept],
            second[kept],
            self.cosines[kept],
            self.threshold,
            self.spread,
            self.nearest_below,
            self.is_complete,
        )


def directions(
    functionals: Float32[np.ndarray, "utterances features"],
) -> Float32[np.ndarray, "utterances features"]:
    """Standardise each functional over the utterances, and scale each utterance to length 1."""
    scaled = Standardiser.fit(functionals).apply(functionals)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    found: NDArray[np.float32] = scaled / np.maximum(lengths, np.finfo(np.float32).tiny)
    return found


def spread_of_cosines(units: Float[np.ndarray, "utterances features"]) -> float:
    """Return the standard deviation of the cosines of pairs; over a sample of many utterances."""
    some = _some_cosines(units)
    return float(some.std()) if len(some) else 1.0


def _some_cosines(units: Float[np.ndarray, "utterances features"]) -> Float[np.ndarray, " pairs"]:
    """Return the cosines of all pairs of a sample of the utterances."""
    some = units[:: max(1, len(units) // _SAMPLE)]
    found: NDArray[np.floating] = (some @ some.T)[np.triu_indices(len(some), 1)]
    return found


def threshold_for(spread: float) -> float:
    """Return the cosine from which on two recordings are near-duplicates, by their spread."""
    return float(np.clip(SPREADS_APART * spread, LOWEST_THRESHOLD, HIGHEST_THRESHOLD))


def find_near_duplicates(
    ids: Sequence[str],
    units: Float32[np.ndarray, "utterances features"],
    *,
    threshold: float | None = None,
    on_rows: Callable[[int], None] = lambda count: None,
) -> NearDuplicates:
    """Find the pairs of utterances whose cosine is at least a threshold.

    Blocks of cosines are computed one at a time: memory grows with the utterances, not with
    their pairs.

    Args:
        ids: The utterances.
        units: What `directions` returns of their functionals.
        threshold: The least cosine; derived from the spread of all cosines by default.
        on_rows: Called with the number of utterances that have been compared with all others.
    """
    some = _some_cosines(units)
    spread = float(some.std()) if len(some) else 1.0
    least = threshold_for(spread) if threshold is None else threshold
    nearest = float(some.max(initial=-1.0, where=some < least))
    found: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]] = []
    num_found = 0
    blocks = find_close_pairs(units, least, spread=spread, nearest_below=nearest, block=_BLOCK)
    for pairs in blocks:
        if len(pairs.cosines):
            found.append((pairs.first, pairs.second, pairs.cosines))
        num_found, nearest = num_found + len(pairs.cosines), pairs.nearest_below
        if pairs.num_rows:
            on_rows(pairs.num_rows)
        if num_found > MOST_PER_RECORDING * len(units):
            break
    is_complete = num_found <= MOST_PER_RECORDING * len(units)
    parts = zip(*found, strict=True) if found and is_complete else ([], [], [])
    first, second, values = (np.concatenate(p) if len(p) else np.zeros(0) for p in parts)
    order = np.argsort(-values, kind="stable")
    return NearDuplicates(
        tuple(ids),
        first[order].astype(np.int32),
        second[order].astype(np.int32),
        np.minimum(values[order], 1).astype(np.float32),
        least,
        spread,
        nearest,
        is_complete,
    )
