"""What the folds of a protocol select together: a grid point, epochs, weights, a layer."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tokser.experiments.heads.head import Choice

__all__ = ["Selection", "select"]

_POINT = ("batch_size", "learning_rate", "hidden", "C", "penalty", "params")
"""Columns of the table of trials that name a point."""

_DIGITS = 12
"""Decimals to which means of equal scores agree, in whatever order they are summed."""


@dataclass(frozen=True)
class Selection:
    """What the folds select for one sum of features.

    Attributes:
        choice: Point, epochs, and the fold whose learning rates are followed.
        params: The point by its columns, and the epochs of a network.
        dev_score: Mean over folds of the cross-fitted score on dev, by which feature sets and
            members are compared: choosing has not made it better.
        trials: A row of each point: its columns, mean, least and highest score on dev over folds.
    """

    choice: Choice
    params: dict[str, Any]
    dev_score: float
    trials: list[dict[str, Any]]


def select(trials: pd.DataFrame, folds: Sequence[str], metric: str) -> Selection:
    """Select the point with the best mean score on dev over all folds, the first of equals.

    A network is trained for the median of its best epochs over the folds (the lower one of two), by
    the learning rates of the first fold that has it.

    Args:
        trials: A row of each point and fold, of one sum of features and one head.
        folds: Names of the folds, in order.
        metric: `dev_uar` or `dev_ccc`.
    """
    trials = trials.assign(point=trials.groupby("fold", sort=False).cumcount())
    columns = [name for name in _POINT if name in trials and trials[name].notna().any()]
    rows = []
    for point, own in trials.groupby("point", sort=True):
        scores = own[metric].astype(float)
        named = {name: _plain(own[name].iloc[0]) for name in columns}
        spread = {"mean": scores.mean(), "least": scores.min(), "highest": scores.max()}
        rows.append({"point": int(point), **named, **{k: float(v) for k, v in spread.items()}})
    best = max(rows, key=lambda row: (round(row["mean"], _DIGITS), -row["point"]))
    own = trials[trials["point"] == best["point"]].set_index("fold")
    params = {name: best[name] for name in columns if best[name] != ""}
    epochs, fold = None, 0
    if own["best_epoch"].notna().all():
        by_fold = {name: int(own.at[name, "best_epoch"]) for name in folds}
        epochs = statistics.median_low(by_fold.values())
        fold = next(i for i, name in enumerate(folds) if by_fold[name] == epochs)
        params["epochs"] = epochs
    selected = trials[trials["selected"]]
    dev_score = float(selected[f"{metric}_crossfit"].astype(float).mean())
    kept = [{k: v for k, v in row.items() if k != "point"} for row in rows]
    return Selection(Choice(best["point"], epochs, fold), params, dev_score, kept)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
