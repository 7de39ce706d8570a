"""Layer curves: the headline over the layers of one encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from tokser.report.naming import layer_of
from tokser.report.scores import Configuration, Score, Scores

__all__ = ["LayerCurve", "find_layer_curves"]

_Point: TypeAlias = tuple[Configuration, int, Mapping[str, Score]]


@dataclass(frozen=True)
class LayerCurve:
    """The headline over the layers of one encoder, by protocol."""

    label: str
    layers: Mapping[str, tuple[int, ...]]
    values: Mapping[str, tuple[float, ...]]
    intervals: Mapping[str, tuple[tuple[float, float], ...]]
    """Ends of the 95 % interval of each; NaN where there is none."""
    dev: Mapping[str, tuple[float, ...]]
    """On dev; NaN where it is not known."""
    selected: Mapping[str, Mapping[int, int]]
    """In how many folds dev selected a layer, by layer; empty where nothing was selected."""


def find_layer_curves(scores: Scores, choices: pd.DataFrame) -> list[LayerCurve]:
    """Return a curve for every encoder of which at least two layers were scored.

    Args:
        scores: The scores of one target.
        choices: `choices.csv` of the same dataset and target.
    """
    groups: dict[str, list[_Point]] = {}
    for row, found in scores.rows:
        layer = layer_of(row.features)
        if layer is not None:
            label = row.label.replace(row.features, layer[0], 1)
            groups.setdefault(label, []).append((row, layer[1], found))
    return [
        _curve(label, sorted(points, key=lambda point: point[1]), scores.protocols, choices)
        for label, points in groups.items()
        if len(points) > 1
    ]


def _curve(
    label: str, points: Sequence[_Point], protocols: Sequence[str], choices: pd.DataFrame
) -> LayerCurve:
    shown = [p for p in protocols if sum(p in scores for *_, scores in points) > 1]
    scored = {p: [(layer, scores[p]) for _, layer, scores in points if p in scores] for p in shown}
    rows = [row for row, *_ in points]
    return LayerCurve(
        label,
        layers={p: tuple(layer for layer, _ in found) for p, found in scored.items()},
        values={p: tuple(score.value for _, score in found) for p, found in scored.items()},
        intervals={p: tuple((_or_nan(s.low), _or_nan(s.high)) for _, s in found)
                   for p, found in scored.items()},
        dev={p: tuple(_or_nan(s.dev) for _, s in found) for p, found in scored.items()},
        selected={p: _selected_layers(rows, p, choices) for p in shown},
    )  # fmt: skip


def _selected_layers(
    rows: Sequence[Configuration], protocol: str, choices: pd.DataFrame
) -> dict[int, int]:
    """Count the folds in which dev selected each of the layers, among these layers only."""
    names = [row.features for row in rows]
    mine = choices[
        (choices["protocol"] == protocol)
        & (choices["classifier"] == rows[0].classifier)
        & (choices["setup"] == rows[0].setup)
        & (choices["source"] == rows[0].source)
    ]
    for _, choice in mine.groupby("features"):
        if set(choice["chosen"]) <= set(names):
            counts = choice["chosen"].value_counts()
            return {layer_of(name)[1]: int(counts[name]) for name in names if name in counts}  # type: ignore[index]
    return {}


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
