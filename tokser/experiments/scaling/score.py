"""The tables of a study of sizes, from what its units predicted."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd

from tokser.experiments.scaling.curves import Curve, Point, fit_row, point_rows
from tokser.experiments.scaling.run import Trained
from tokser.experiments.scaling.subsets import Varied
from tokser.experiments.scaling.table import FITS, SCALING
from tokser.experiments.search import SearchResult
from tokser.experiments.units import Unit, read_unit

__all__ = ["ScalingTables", "score_curves"]


class ScalingTables(NamedTuple):
    """What `tokser scaling` found.

    Attributes:
        scores: `scaling.csv`, a row for each point of each curve.
        fits: `scaling_fits.csv`, a row for each curve.
    """

    scores: pd.DataFrame
    fits: pd.DataFrame


def score_curves(trained: Trained, out: Path, *, seed: int) -> ScalingTables:
    """Score every curve and fit a power law to each.

    Args:
        trained: What was trained.
        out: Where its parts are.
        seed: Of the bootstrap.
    """
    points: list[dict[str, Any]] = []
    fits: list[dict[str, Any]] = []
    tables = trained.dataset.task.tables
    for units in _by_curve(trained.units):
        results = [read_unit(unit, tables, out) for unit in units]
        key = _key(trained, units[0])
        for varied in get_args(Varied):
            curve = _curve(trained, units[0], results, varied)
            of_curve = {**key, "varied": varied, "metric": tables.metric}
            rng = np.random.default_rng(seed)
            of_folds = _folds(trained, units[0])
            points += [of_curve | of_folds | row for row in point_rows(curve, rng)]
            fits.append(of_curve | fit_row(curve, rng))
    return ScalingTables(SCALING.frame(points), FITS.frame(fits))


def _by_curve(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    """Yield the draws of each feature and target."""
    found: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        found.setdefault((unit.features, unit.target), []).append(unit)
    yield from found.values()


def _key(trained: Trained, unit: Unit) -> dict[str, Any]:
    has_targets = trained.dataset.task.tables.has_targets
    return {
        "dataset": trained.dataset.store.dataset,
        "features": unit.features,
        "target": unit.target if has_targets else "",
        "head": unit.head,
    }


def _folds(trained: Trained, unit: Unit) -> dict[str, Any]:
    audit = trained.dataset.audits[unit.protocol].of_features(unit.features)
    return {"protocol": unit.protocol, "num_folds": len(trained.folds), "stamp": audit.stamp}


def _curve(trained: Trained, unit: Unit, results: Sequence[SearchResult], varied: Varied) -> Curve:
    dataset = trained.dataset
    task, units = dataset.task, dataset.sampling_units
    classes = task.classes(dataset.target(unit.target))
    subsets = pd.concat([result.trials for result in results])
    subsets = subsets[subsets["varied"] == varied]
    predicted = [r.predictions[r.predictions["varied"] == varied] for r in results]
    points = []
    for size, own in subsets.groupby("size"):
        tested = [table[table["size"] == size] for table in predicted]
        points.append(
            Point(
                size=int(str(size)),
                sums=task.unit_sums(tested, units, classes),
                num_speakers=float(own["num_speakers"].mean()),
                num_train=float(own["num_train"].mean()),
                num_subsets=len(own),
                num_lacking=int(own["lacks_class"].sum()),
            )
        )
    fold_of = {name: place for place, fold in enumerate(trained.folds) for name in fold.test}
    by_unit = {str(units.by_id.loc[name]): place for name, place in fold_of.items()}
    return Curve(
        varied=varied,
        points=points,
        folds=[by_unit[name] for name in sorted(by_unit)],
        score=task.score,
        scale="share" if classes else "correlation",
        has_chance=bool(classes),
    )
