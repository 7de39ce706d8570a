"""How often prediction sets hold the true class, and how large they are: by class and speaker."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tokser.experiments.calibration.measures import SeedPredictions
from tokser.experiments.calibration.predicted import Predicted
from tokser.intervals import MIN_UNITS, jackknife

__all__ = ["coverage_rows"]

_Row = dict[str, Any]


def coverage_rows(
    tested: SeedPredictions, sets: Sequence[np.ndarray], classes: Sequence[str]
) -> list[_Row]:
    """Return a row of all test utterances, of each class, and of each speaker or session.

    Intervals leave out one speaker at a time; those of one speaker alone leave out one utterance
    at a time, and hold for more utterances of that speaker.

    Args:
        tested: Test predictions of each seed.
        sets: Which classes are in the set of each utterance, by seed.
        classes: Their names.
    """
    held = [_held(one, own) for one, own in zip(tested.seeds, sets, strict=True)]
    sizes = [own.sum(axis=1).astype(np.float64) for own in sets]
    by_unit = [_of_unit(tested, name, held, sizes) for name in tested.names]
    shares = pd.Series({str(row["group"]): float(row["coverage"]) for row in by_unit})
    whole = _row(tested, held, sizes) | {
        "group_kind": "all",
        "group": "",
        "coverage_of_speakers": float(shares.mean()),
        "least_coverage": float(shares.min()),
        "least_covered": str(shares.idxmin()),
    }
    found = [whole]
    for place, label in enumerate(classes):
        chosen = [one.truth == place for one in tested.seeds]
        if any(own.any() for own in chosen):
            found.append(
                _row(*_where(tested, held, sizes, chosen)) | {"group_kind": "label", "group": label}
            )
    return [*found, *by_unit]


def _held(predicted: Predicted, sets: np.ndarray) -> np.ndarray:
    return np.asarray(sets[np.arange(len(sets)), predicted.truth], dtype=np.float64)


def _row(tested: SeedPredictions, held: Sequence[np.ndarray], sizes: Sequence[np.ndarray]) -> _Row:
    ones = [(size == 1).astype(np.float64) for size in sizes]
    return {
        **tested.mean("coverage", held, "share"),
        **tested.mean("mean_set_size", sizes, least=1.0),
        **tested.mean("share_of_one", ones, "share"),
        "n_test": round(tested.num_test),
        **tested.common(),
    }


def _where(
    tested: SeedPredictions,
    held: Sequence[np.ndarray],
    sizes: Sequence[np.ndarray],
    chosen: Sequence[np.ndarray],
) -> tuple[SeedPredictions, list[np.ndarray], list[np.ndarray]]:
    """Return some of the utterances, and the units that have any of them."""
    seeds = [one.where(own) for one, own in zip(tested.seeds, chosen, strict=True)]
    names = sorted({str(name) for one in seeds for name in one.units})
    some = SeedPredictions(seeds, names, tested.kind, tested.missing)
    return (
        some,
        [one[own] for one, own in zip(held, chosen, strict=True)],
        [one[own] for one, own in zip(sizes, chosen, strict=True)],
    )


def _of_unit(
    tested: SeedPredictions, name: str, held: Sequence[np.ndarray], sizes: Sequence[np.ndarray]
) -> _Row:
    number = tested.names.index(name)
    chosen = [places == number for places in tested.places]
    ids = np.concatenate([p.ids[c] for p, c in zip(tested.seeds, chosen, strict=True)])

    def by_utterance(values: Sequence[np.ndarray]) -> np.ndarray:
        """Return the mean over seeds for each utterance."""
        own = np.concatenate([one[c] for one, c in zip(values, chosen, strict=True)])
        return np.asarray(pd.Series(own).groupby(ids).mean(), dtype=np.float64)

    row: _Row = {"group_kind": tested.kind, "group": name}
    ones = [(size == 1).astype(np.float64) for size in sizes]
    for column, values in (("coverage", held), ("share_of_one", ones)):
        own = by_utterance(values)
        mean, num = float(own.mean()), len(own)
        without = (own.sum() - own) / max(num - 1, 1)
        interval = jackknife(mean, without, scale="share", num_observations=num)
        row |= {column: mean, f"{column}_low": interval.low, f"{column}_high": interval.high}
    row |= {"mean_set_size": float(by_utterance(sizes).mean()), "n_test": num}
    few = f"fewer than {MIN_UNITS} utterances" if num < MIN_UNITS else ""
    return row | {"unit": "utterance", "num_units": num, "no_interval": few}
