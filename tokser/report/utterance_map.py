"""The map of utterances: a picture that needs no script, and the data that makes it explorable."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.report.coordinates import Coordinates
from tokser.report.naming import natural_key
from tokser.report.predicted_utterances import PredictedUtterances

__all__ = ["Grouping", "Look", "UtteranceMap"]

_WIDTH, _MARGIN = 640.0, 14.0
"""Units of the picture; it is as wide as there is room."""
_LEAST_HEIGHT, _MOST_HEIGHT = 320.0, 520.0
_SIZE = 3.0
"""Half the width of a mark, in these units."""
_SHAPES = {
    "dot": "h0",
    "cross": "m-1-1l2 2m0-2l-2 2",
    "square": "m-1-1h2v2h-2z",
    "plus": "m-1 0h2m-1-1v2",
    "triangle": "m0-1.1l1.1 2h-2.2z",
}
"""Marks as paths from their middle, of half width 1."""
_COLOURS = ("c1", "c2", "c3", "c4", "c5", "ink", "muted")
_NAME_OF = {
    "label": "Label",
    "prediction": "Prediction",
    "outcome": "Correct or not",
    "corpus": "Corpus",
    "speaker": "Speaker",
    "sex": "Sex",
    "session": "Session",
}
"""Columns that colour the map, by what a reader calls them."""
_OTHERS = "others"
_MOST_GROUPS = len(_COLOURS) * len(_SHAPES)
"""Looks that a reader can tell apart: the rarest groups beyond these share one."""


@dataclass(frozen=True)
class Look:
    """How the utterances of one group are drawn: a colour of the page, and a shape."""

    colour: str
    shape: str

    @property
    def path(self) -> str:
        """The shape, drawn from its middle."""
        return _SHAPES[self.shape]


@dataclass(frozen=True)
class Grouping:
    """A column that colours the map.

    Attributes:
        name: Of the column.
        title: In words.
        groups: Its values, in natural order.
        looks: Of each.
        codes: Place of each utterance's group among `groups`, [utterances].
    """

    name: str
    title: str
    groups: Sequence[str]
    looks: Sequence[Look]
    codes: NDArray[np.int64]

    @property
    def counts(self) -> list[int]:
        """Utterances of each group."""
        return [int(n) for n in np.bincount(self.codes, minlength=len(self.groups))]


@dataclass(frozen=True)
class UtteranceMap:
    """Utterances on a map, coloured by what they were called.

    Attributes:
        predicted: What is shown of each; the rows are those of `coordinates`.
        coordinates: Where each lies.
        features: What they were computed from.
        title: Dataset and task.
        num_absent: PredictedUtterances utterances that have no functionals, and so no place.
    """

    predicted: PredictedUtterances
    coordinates: Coordinates
    features: str
    title: str
    num_absent: int = 0

    @cached_property
    def height(self) -> float:
        """Height of the picture, in its units; a unit is as long up as across, if it may be."""
        spread = np.ptp(self.coordinates.values, axis=0)
        natural = 2 * _MARGIN + (_WIDTH - 2 * _MARGIN) * spread[1] / max(spread[0], 1e-12)
        return round(float(np.clip(natural, _LEAST_HEIGHT, _MOST_HEIGHT)))

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """Middle of each mark in the picture, from its top left corner, [utterances, 2]."""
        values = self.coordinates.values
        room = np.array([_WIDTH, self.height]) - 2 * _MARGIN
        low, spread = values.min(axis=0), np.ptp(values, axis=0)
        scale = float(np.min(room / np.maximum(spread, 1e-12)))
        placed = (values - low) * scale + (room - spread * scale) / 2 + _MARGIN
        placed[:, 1] = self.height - placed[:, 1]
        return np.asarray(np.round(placed, 1), dtype=np.float64)

    @cached_property
    def groupings(self) -> list[Grouping]:
        """Columns that colour the map: those in which there are two values at least."""
        table = self.predicted.table
        outcome = np.where(table["is_correct"], "correct", "wrong")
        columns = table.assign(outcome=outcome)
        found = [
            _grouping(name, title, columns[name], self.predicted.classes)
            for name, title in _NAME_OF.items()
            if name in columns
        ]
        several = [one for one in found if len(one.groups) > 1]
        return several or found[:1]

    @property
    def view_box(self) -> str:
        """What the picture shows of its plane."""
        return f"0 0 {_WIDTH:g} {self.height:g}"

    @property
    def marks(self) -> list[tuple[Look, str]]:
        """Look and path of each group of the first grouping: the picture without a script."""
        first = self.groupings[0]
        return [
            (look, _path(self.points[first.codes == code], look))
            for code, look in enumerate(first.looks)
        ]

    @property
    def description(self) -> str:
        """What the picture shows, numbers included."""
        first = self.groupings[0]
        counted = ", ".join(f"{n} {g}" for g, n in zip(first.groups, first.counts, strict=True))
        return (
            f"{len(self.points)} utterances by {first.title.lower()}: {counted}. Across: "
            f"{self.coordinates.across}; up: {self.coordinates.up}."
        )

    @property
    def data(self) -> dict[str, Any]:
        """What the script reads: columns, each a value for every utterance."""
        table = self.predicted.table
        shown = {
            name: table[name].tolist()
            for name in ("speaker", "transcript", "path")
            if name in table and table[name].ne("").any()
        }
        return {
            "ids": table.index.tolist(),
            "x": self.points[:, 0].tolist(),
            "y": self.points[:, 1].tolist(),
            "size": _SIZE,
            "shapes": _SHAPES,
            "probability": [
                None if np.isnan(value) else round(value, 3) for value in table["probability"]
            ],
            "groupings": [_grouping_data(one) for one in self.groupings],
            "classes": self.predicted.classes,
            "label": _codes(table["label"], self.predicted.classes).tolist(),
            "prediction": _codes(table["prediction"], self.predicted.classes).tolist(),
            **shown,
        }


def _grouping(name: str, title: str, values: "pd.Series[str]", classes: Sequence[str]) -> Grouping:
    """Give each value of a column a look; a class has the same as label and as prediction."""
    named = values.where(values.ne(""), "unknown")
    if name == "outcome":
        looks = {"correct": Look("muted", "dot"), "wrong": Look("c2", "cross")}
    else:
        of_classes = name in ("label", "prediction")
        known = list(classes) if of_classes else sorted(set(named), key=natural_key)
        if len(known) > _MOST_GROUPS:
            frequent = set(named.value_counts().index[: _MOST_GROUPS - 1])
            named = named.where(named.isin(frequent), _OTHERS)
            known = [group for group in known if group in frequent]
        shapes = list(_SHAPES)
        looks = {
            group: Look(_COLOURS[i % len(_COLOURS)], shapes[i % len(shapes)])
            for i, group in enumerate(known)
        }
        looks.setdefault(_OTHERS, Look("muted", "dot"))
    there = set(named)
    groups = [group for group in looks if group in there]
    return Grouping(name, title, groups, [looks[g] for g in groups], _codes(named, groups))


def _grouping_data(grouping: Grouping) -> dict[str, Any]:
    return {
        "name": grouping.name,
        "title": grouping.title,
        "groups": list(grouping.groups),
        "colours": [look.colour for look in grouping.looks],
        "shapes": [look.shape for look in grouping.looks],
        "codes": grouping.codes.tolist(),
    }


def _codes(values: "pd.Series[str]", known: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(pd.Index(known).get_indexer(values), dtype=np.int64)


def _path(points: NDArray[np.float64], look: Look) -> str:
    """Draw every mark of a group as one path: thousands of elements would make a page slow."""
    shape = re.sub(r"-?[\d.]+", lambda number: f"{_SIZE * float(number[0]):g} ", look.path).strip()
    return "".join(f"M{x:g} {y:g}{shape}" for x, y in points)
