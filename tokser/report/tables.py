"""The numbers of the page: merged, ordered, best ones marked. Generated, never typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some
from tokser.report.naming import layer_of, natural_key, order_protocols
from tokser.report.results import read_scores

__all__ = [
    "Configuration",
    "Headline",
    "Layers",
    "Leak",
    "Score",
    "find_layers",
    "find_leaks",
    "headline",
    "merge_results",
    "merge_scores",
]

_KEY = ["dataset", "features", "protocol", "classifier", "setup"]
_METRICS = ("uar", "accuracy", "macro_f1")


@dataclass(frozen=True)
class Configuration:
    """One row of the headline table."""

    features: str
    classifier: str
    seeds: str
    """The seeds that were averaged over, with blanks between."""
    label: str
    """The features' name, and whatever else tells this row from others of its dataset."""
    setup: str = ""
    """What departs from the usual training, in words."""


@dataclass(frozen=True)
class Score:
    """What one configuration reached under one protocol; scores are fractions."""

    uar: float
    uar_std: float | None
    """Standard deviation over folds; None where there is one fold."""
    accuracy: float
    macro_f1: float
    num_test: int
    num_folds: int
    low: float | None = None
    """Lower end of the UAR's 95 % interval; None where there is none."""
    high: float | None = None
    seed_std: float | None = None
    """Standard deviation over seeds; None where there is one seed."""
    dev_uar: float | None = None
    """UAR on dev of what was selected; None where nothing was."""
    best: frozenset[str] = frozenset()
    """The metrics in which no other configuration was better under this protocol."""


@dataclass(frozen=True)
class Headline:
    """Configurations (rows) by protocols (columns) of one dataset."""

    protocols: tuple[str, ...]
    rows: tuple[tuple[Configuration, Mapping[str, Score]], ...]

    def best(self, protocol: str) -> tuple[Configuration, Score]:
        """Return the configuration with the highest UAR under a protocol, and its score."""
        found = [(row, scores[protocol]) for row, scores in self.rows if protocol in scores]
        return max(found, key=lambda pair: pair[1].uar)


@dataclass(frozen=True)
class Leak:
    """UAR of one configuration with and without speakers shared between training and test."""

    label: str
    report: float
    speaker: float

    @property
    def points(self) -> float:
        """By how many percentage points the leaking protocol is higher."""
        return 100 * (self.report - self.speaker)


@dataclass(frozen=True)
class Layers:
    """UAR over the layers of one encoder, by protocol; fractions."""

    label: str
    layers: Mapping[str, tuple[int, ...]]
    uar: Mapping[str, tuple[float, ...]]
    uar_std: Mapping[str, tuple[float, ...]]
    """NaN where there is one fold."""
    dev_uar: Mapping[str, tuple[float, ...]]
    """On dev; NaN where it is not known."""

    def chosen(self, protocol: str) -> int | None:
        """Return the position of the layer that is best on dev; None where dev is not known."""
        on_dev = self.dev_uar[protocol]
        return int(np.argmax(on_dev)) if np.isfinite(on_dev).all() else None


def merge_results(folders: Sequence[Path]) -> pd.DataFrame:
    """Merge `results.csv` of several output folders of `tokser classify` into one table.

    Args:
        folders: The output folders.

    Returns:
        One row per configuration, with the columns of `results.csv`, sorted by dataset, features
        (layer 2 before layer 10), protocol, classifier and seed.

    Raises:
        MissingInputError: A folder has no `results.csv`; all such folders are named.
        InputError: A file holds something else, or two folders hold the same configuration.
    """
    return merge_scores(folders, read_scores(folders))


def merge_scores(
    folders: Sequence[Path], tables: Sequence[pd.DataFrame], keys: Sequence[str] = ()
) -> pd.DataFrame:
    """Merge the tables read from `folders`; see `merge_results`.

    Args:
        folders: Where each table is from.
        tables: At least one; `results.csv` or `summary.csv` where no keys are given.
        keys: What tells rows apart, in the order in which they are sorted.
    """
    keys = [*(keys or (*_KEY, "seeds" if all("seeds" in table for table in tables) else "seed"))]
    sources = [str(f) for f, table in zip(folders, tables, strict=True) for _ in range(len(table))]
    merged = pd.concat(list(tables), ignore_index=True)
    twice = merged.duplicated(keys, keep=False)
    if twice.any():
        rows = merged.loc[twice].index
        # The key's order groups equal configurations, so a message shows both of their folders.
        rows = sorted(rows, key=lambda i: [str(value) for value in merged.loc[i, keys]])
        names = [
            "/".join(str(merged.at[i, k]) for k in keys[1:] if merged.at[i, k] != "") for i in rows
        ]
        raise InputError(
            list_some(list(dict.fromkeys(sources[i] for i in rows))),
            expected="each configuration once",
            got=f"{merged.at[rows[0], 'dataset']}: {list_some(list(dict.fromkeys(names)))} twice",
            remedy="Name each folder once, and put results of different stores on separate pages.",
        )
    order = sorted(merged.index, key=lambda i: [natural_key(str(v)) for v in merged.loc[i, keys]])
    return merged.loc[order].reset_index(drop=True)


def headline(scores: pd.DataFrame) -> Headline:
    """Arrange the scores of one dataset, and mark the best of each column.

    Args:
        scores: Rows of the merged table, all of one dataset.

    Returns:
        Rows in natural order, the most trustworthy protocol first.
    """
    which = "seeds" if "seeds" in scores else "seed"
    several = {key: scores[key].nunique() > 1 for key in ("classifier", "setup", which)}
    top = {metric: scores.groupby("protocol")[metric].max() for metric in _METRICS}
    rows: dict[Configuration, dict[str, Score]] = {}
    for row in scores.to_dict("records"):
        label = row["features"]
        label += f" · {row['classifier']}" if several["classifier"] else ""
        label += f" · {row['setup'] or 'usual'}" if several["setup"] else ""
        label += f" · seed {row[which]}" if several[which] else ""
        told = (row["features"], row["classifier"], str(row[which]), label, row["setup"])
        configuration = Configuration(*told)
        best = frozenset(m for m in _METRICS if row[m] == top[m][row["protocol"]])
        rows.setdefault(configuration, {})[row["protocol"]] = Score(
            uar=float(row["uar"]),
            uar_std=_number(row, "uar_std"),
            low=_number(row, "uar_low"),
            high=_number(row, "uar_high"),
            seed_std=_number(row, "uar_seed_std"),
            dev_uar=_number(row, "dev_uar"),
            accuracy=float(row["accuracy"]),
            macro_f1=float(row["macro_f1"]),
            num_test=int(row["n_test"]),
            num_folds=int(row["num_folds"]),
            best=best,
        )
    protocols = order_protocols(scores["protocol"])
    return Headline(tuple(protocols), tuple(rows.items()))


def find_leaks(table: Headline) -> list[Leak]:
    """Return the size of the leak of every configuration that was scored under both protocols."""
    return [
        Leak(row.label, scores["report"].uar, scores["speaker"].uar)
        for row, scores in table.rows
        if "report" in scores and "speaker" in scores
    ]


def find_layers(table: Headline) -> list[Layers]:
    """Return a curve for every encoder of which at least two layers were scored."""
    groups: dict[str, list[tuple[int, Mapping[str, Score]]]] = {}
    for row, scores in table.rows:
        found = layer_of(row.features)
        if found is not None:
            label = found[0] + row.label.removeprefix(row.features)
            groups.setdefault(label, []).append((found[1], scores))
    return [
        _curve(label, points, table.protocols)
        for label, points in groups.items()
        if len(points) > 1
    ]


def _curve(
    label: str, points: list[tuple[int, Mapping[str, Score]]], protocols: Sequence[str]
) -> Layers:
    points = sorted(points, key=lambda point: point[0])
    shown = [p for p in protocols if sum(p in scores for _, scores in points) > 1]
    scored = {p: [(layer, scores[p]) for layer, scores in points if p in scores] for p in shown}
    spread = {
        p: tuple(np.nan if s.uar_std is None else s.uar_std for _, s in found)
        for p, found in scored.items()
    }
    return Layers(
        label,
        layers={p: tuple(layer for layer, _ in found) for p, found in scored.items()},
        uar={p: tuple(score.uar for _, score in found) for p, found in scored.items()},
        uar_std=spread,
        dev_uar={
            p: tuple(np.nan if s.dev_uar is None else s.dev_uar for _, s in found)
            for p, found in scored.items()
        },
    )


def _number(row: Mapping[Any, Any], key: str) -> float | None:
    """Return a number of a row; None where its cell is blank, or where there is no such column."""
    value = float(row.get(key, np.nan))
    return None if np.isnan(value) else value
