"""The numbers of the page: merged, ordered, best ones marked. Generated, never typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

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
    "Scored",
    "find_layers",
    "find_leaks",
    "headline",
    "merge_results",
    "merge_scores",
    "nested_choice",
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
    """What one configuration reached under one protocol, all folds together; fractions."""

    uar: float
    uar_chance: float
    """What the best constant guess scores."""
    accuracy: float
    macro_f1: float
    num_test: int
    num_folds: int
    low: float | None = None
    """Lower end of the UAR's 95 % interval; None where there is none."""
    high: float | None = None
    no_interval: str = ""
    """Why there is none; empty where there is one."""
    seed_std: float | None = None
    """Standard deviation over seeds; None where there is one seed."""
    dev_uar: float | None = None
    """Cross-fitted UAR on dev of what was selected; None where nothing was."""
    num_candidates: int = 1
    """How many rows dev chose this among, fold by fold; 1 for a row of its own."""
    best: frozenset[str] = frozenset()
    """The metrics in which no other configuration was better under this protocol."""


Scored: TypeAlias = tuple[Configuration, Score]


@dataclass(frozen=True)
class Headline:
    """Configurations (rows) by protocols (columns) of one dataset."""

    protocols: tuple[str, ...]
    rows: tuple[tuple[Configuration, Mapping[str, Score]], ...]

    def under(self, protocol: str) -> list[Scored]:
        """Return the configurations that were scored under a protocol."""
        return [(row, scores[protocol]) for row, scores in self.rows if protocol in scores]

    def estimate(self, protocol: str) -> Scored | None:
        """Return what test had no say in; see `nested_choice`."""
        return nested_choice(self.under(protocol))

    def highest(self, protocol: str) -> Scored:
        """Return the configuration of highest UAR on test, which is no estimate of anything."""
        return max(self.under(protocol), key=lambda pair: pair[1].uar)


@dataclass(frozen=True)
class Leak:
    """UAR of one configuration with and without speakers shared between training and test."""

    label: str
    random: float
    speaker: float

    @property
    def points(self) -> float:
        """By how many percentage points the leaking protocol is higher."""
        return 100 * (self.random - self.speaker)


@dataclass(frozen=True)
class Layers:
    """UAR over the layers of one encoder, by protocol; fractions."""

    label: str
    layers: Mapping[str, tuple[int, ...]]
    uar: Mapping[str, tuple[float, ...]]
    interval: Mapping[str, tuple[tuple[float, float], ...]]
    """Ends of the 95 % interval of each; NaN where there is none."""
    dev_uar: Mapping[str, tuple[float, ...]]
    """On dev; NaN where it is not known."""
    chosen: Mapping[str, Mapping[int, int]]
    """In how many folds dev chose a layer, by layer; empty where nothing was chosen."""


class _Chosen(Protocol):
    """A score that knows how many rows it was chosen among."""

    @property
    def num_candidates(self) -> int: ...


_Row = TypeVar("_Row")
_Chose = TypeVar("_Chose", bound=_Chosen)


def nested_choice(scored: Sequence[tuple[_Row, _Chose]]) -> tuple[_Row, _Chose] | None:
    """Return the score that test had no say in: what dev chose among most rows, fold by fold.

    Returns:
        The row itself where there is one alone; None where several stand side by side and dev
        chose among none of them.
    """
    if len(scored) == 1:
        return scored[0]
    widest = max(scored, key=lambda pair: pair[1].num_candidates, default=None)
    return widest if widest and widest[1].num_candidates > 1 else None


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
            uar_chance=float(row["uar_chance"]),
            low=_number(row, "uar_low"),
            high=_number(row, "uar_high"),
            no_interval=str(row.get("no_interval", "")),
            seed_std=_number(row, "uar_seed_std"),
            dev_uar=_number(row, "dev_uar"),
            accuracy=float(row["accuracy"]),
            macro_f1=float(row["macro_f1"]),
            num_test=int(row["n_test"]),
            num_folds=int(row["num_folds"]),
            num_candidates=int(row["num_candidates"]),
            best=best,
        )
    protocols = order_protocols(scores["protocol"])
    return Headline(tuple(protocols), tuple(rows.items()))


def find_leaks(table: Headline) -> list[Leak]:
    """Return the size of the leak of every configuration that was scored under both protocols."""
    return [
        Leak(row.label, scores["random"].uar, scores["speaker"].uar)
        for row, scores in table.rows
        if "random" in scores and "speaker" in scores
    ]


def find_layers(table: Headline, choices: pd.DataFrame) -> list[Layers]:
    """Return a curve for every encoder of which at least two layers were scored.

    Args:
        table: The scores.
        choices: `choices.csv` of the same dataset.
    """
    groups: dict[str, list[tuple[Configuration, int, Mapping[str, Score]]]] = {}
    for row, scores in table.rows:
        found = layer_of(row.features)
        if found is not None:
            label = found[0] + row.label.removeprefix(row.features)
            groups.setdefault(label, []).append((row, found[1], scores))
    return [
        _curve(label, points, table.protocols, choices)
        for label, points in groups.items()
        if len(points) > 1
    ]


def _curve(
    label: str,
    points: list[tuple[Configuration, int, Mapping[str, Score]]],
    protocols: Sequence[str],
    choices: pd.DataFrame,
) -> Layers:
    points = sorted(points, key=lambda point: point[1])
    shown = [p for p in protocols if sum(p in scores for *_, scores in points) > 1]
    scored = {p: [(layer, scores[p]) for _, layer, scores in points if p in scores] for p in shown}
    return Layers(
        label,
        layers={p: tuple(layer for layer, _ in found) for p, found in scored.items()},
        uar={p: tuple(score.uar for _, score in found) for p, found in scored.items()},
        interval={p: tuple((_or_nan(s.low), _or_nan(s.high)) for _, s in found)
                  for p, found in scored.items()},
        dev_uar={p: tuple(_or_nan(s.dev_uar) for _, s in found) for p, found in scored.items()},
        chosen={p: _chosen_layers([row for row, *_ in points], p, choices) for p in shown},
    )  # fmt: skip


def _chosen_layers(
    rows: Sequence[Configuration], protocol: str, choices: pd.DataFrame
) -> dict[int, int]:
    """Count the folds in which dev chose each of the layers, among these layers alone."""
    names = [row.features for row in rows]
    mine = choices[
        (choices["protocol"] == protocol)
        & (choices["classifier"] == rows[0].classifier)
        & (choices["setup"] == rows[0].setup)
    ]
    for _, choice in mine.groupby("features"):
        if set(choice["chosen"]) <= set(names):
            counts = choice["chosen"].value_counts()
            return {layer_of(name)[1]: int(counts[name]) for name in names if name in counts}  # type: ignore[index]
    return {}


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _number(row: Mapping[Any, Any], key: str) -> float | None:
    """Return a number of a row; None where its cell is blank, or where there is no such column."""
    value = float(row.get(key, np.nan))
    return None if np.isnan(value) else value
