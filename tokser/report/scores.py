"""The scores of one target: merged, ordered, best ones marked. Generated, never typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import pandas as pd

from tokser.report.naming import natural_key, order_protocols, protocol_title
from tokser.report.table import Cell, Column, ColumnGroup, Table
from tokser.report.tasks import Metric, ReportedTask

__all__ = [
    "Configuration",
    "Score",
    "Scored",
    "Scores",
    "arrange",
    "reasons_without_interval",
    "score_cells",
    "score_table",
    "selected_on_dev",
]


@dataclass(frozen=True)
class Configuration:
    """One row of the table of scores."""

    features: str
    classifier: str
    """Or what predicts numbers: the regressor."""
    seeds: str
    """The seeds that were averaged over, with blanks between."""
    setup: str
    """What departs from the usual training, in words."""
    label: str
    """The features' name, and whatever else distinguishes this row in its table."""
    source: str = ""
    """Store or folder that the row is from, where folders differ in the same configuration."""

    @property
    def family(self) -> str:
        """The encoder or run of one of its features; else the features themselves."""
        is_one = not any(mark in self.features for mark in "+(:")
        return self.features.rpartition("/")[0] if is_one else self.features


@dataclass(frozen=True)
class Score:
    """What one configuration reached under one protocol, all folds together."""

    values: Mapping[str, float]
    """By column of the task's metrics, the headline first; in the unit of the results."""
    low: float | None
    """Lower end of the headline's 95 % interval; None where there is none."""
    high: float | None
    no_interval: str
    """Why there is none; empty where there is one."""
    chance: float
    """What the best constant prediction scores."""
    dev: float | None
    """Cross-fitted headline on dev of what was selected; None where it is not known."""
    num_test: int
    num_folds: int
    num_candidates: int = 1
    """How many rows dev selected this among, fold by fold; 1 for a row of its own."""
    best: frozenset[str] = frozenset()
    """The metrics in which no other configuration was better under this protocol."""

    @property
    def value(self) -> float:
        """The headline."""
        return next(iter(self.values.values()))


Scored: TypeAlias = tuple[Configuration, Score]


@dataclass(frozen=True)
class Scores:
    """Configurations (rows) by protocols (columns) of one target."""

    task: ReportedTask
    protocols: tuple[str, ...]
    rows: tuple[tuple[Configuration, Mapping[str, Score]], ...]

    def under(self, protocol: str) -> list[Scored]:
        """Return the configurations that were scored under a protocol."""
        return [(row, scores[protocol]) for row, scores in self.rows if protocol in scores]

    @property
    def by_family(self) -> list[tuple[Configuration, Mapping[str, Score]]]:
        """Rows as a reader looks for them.

        Sources, classifiers, setups and seeds are groups; in each, the encoder with the highest
        headline under the first protocol comes first, with its layers in their order.
        """
        highest: dict[tuple[str, ...], float] = {}
        for row, found in self.rows:
            value = found[self.protocols[0]].value if self.protocols[0] in found else -np.inf
            family = (*_group(row), row.family)
            highest[family] = max(value, highest.get(family, -np.inf))
        return sorted(
            self.rows,
            key=lambda pair: (
                _group(pair[0]),
                -highest[*_group(pair[0]), pair[0].family],
                natural_key(pair[0].features),
            ),
        )

    def estimate(self, protocol: str) -> Scored | None:
        """Return what the test set had no part in selecting; see `selected_on_dev`."""
        return selected_on_dev(self.under(protocol))

    def highest(self, protocol: str) -> Scored:
        """Return the configuration of highest headline on test, which is not an estimate."""
        return max(self.under(protocol), key=lambda pair: pair[1].value)

    def shown(self, protocol: str) -> Scored:
        """Return the configuration whose predictions are shown: the estimate, or the highest."""
        return self.estimate(protocol) or self.highest(protocol)


def _group(row: Configuration) -> tuple[str, ...]:
    return row.source, row.classifier, row.setup, row.seeds


class _Selected(Protocol):
    """A score that knows how many rows it was selected among."""

    @property
    def num_candidates(self) -> int: ...


_Row = TypeVar("_Row")
_Score = TypeVar("_Score", bound=_Selected)


def selected_on_dev(scored: Sequence[tuple[_Row, _Score]]) -> tuple[_Row, _Score] | None:
    """Return the score that dev selected among most rows, fold by fold.

    Returns:
        The only row where there is one; None where there are several and dev selected among none.
    """
    if len(scored) == 1:
        return scored[0]
    widest = max(scored, key=lambda pair: pair[1].num_candidates, default=None)
    return widest if widest and widest[1].num_candidates > 1 else None


def arrange(task: ReportedTask, scores: pd.DataFrame) -> Scores:
    """Arrange the scores of one target, and mark the best of each column.

    Args:
        task: What is scored.
        scores: Rows of the merged scores, all of one dataset and target.

    Returns:
        Rows in the order given, the most trustworthy protocol first.
    """
    marked = [metric.column for metric in task.metrics if metric.marks_best]
    top = {column: scores.groupby("protocol")[column].max() for column in marked}
    several = [key for key in ("classifier", "setup", "seeds") if scores[key].nunique() > 1]
    rows: dict[Configuration, dict[str, Score]] = {}
    for row in scores.to_dict("records"):
        best = frozenset(column for column in marked if row[column] == top[column][row["protocol"]])
        rows.setdefault(_configuration(row, several), {})[row["protocol"]] = Score(
            values={metric.column: float(row[metric.column]) for metric in task.metrics},
            low=_number(row, f"{task.headline.column}_low"),
            high=_number(row, f"{task.headline.column}_high"),
            no_interval=str(row.get("no_interval", "")),
            chance=float(row[task.chance]) if task.chance else 0.0,
            dev=_number(row, f"dev_{task.headline.column}"),
            num_test=int(row["n_test"]),
            num_folds=int(row["num_folds"]),
            num_candidates=int(row["num_candidates"]),
            best=best,
        )
    return Scores(task, tuple(order_protocols(scores["protocol"])), tuple(rows.items()))


def score_table(scores: Scores, name: str, caption: str, stamps: Mapping[str, str]) -> Table:
    """Show every configuration under every protocol.

    Args:
        scores: At least one row.
        name: Name of the table's file.
        caption: What it shows.
        stamps: Of the protocols that have one.
    """
    columns = tuple(
        Column(metric.name, "interval" if metric is scores.task.headline else "number")
        for metric in scores.task.metrics
    )
    groups = [ColumnGroup((Column("Features"),))]
    for protocol in scores.protocols:
        title, stamp = protocol_title(protocol), stamps.get(protocol, "")
        under = (*columns, Column("n", "number"))
        groups.append(ColumnGroup(under, title, stamp, missing="not scored"))
    rows = [
        (
            row.label,
            *(cell for p in scores.protocols for cell in _row_cells(scores.task, found.get(p))),
        )
        for row, found in scores.by_family
    ]
    notes = (*scores.task.score_notes, *reasons_without_interval(scores))
    return Table(name, caption, tuple(groups), tuple(rows), notes=notes)


def reasons_without_interval(scores: Scores) -> tuple[str, ...]:
    """Say why rows have no interval."""
    every = [score for _, found in scores.rows for score in found.values()]
    reasons = dict.fromkeys(score.no_interval for score in every if score.no_interval)
    return tuple(f"No interval: {reason}." for reason in reasons)


def _row_cells(task: ReportedTask, score: Score | None) -> tuple[Cell, ...]:
    return (*score_cells(task, score, task.metrics), score.num_test if score else None)


def score_cells(
    task: ReportedTask, score: Score | None, metrics: Sequence[Metric]
) -> tuple[Cell, ...]:
    """Return the values of some metrics as cells, the headline with its interval."""
    if score is None:
        return (None,) * len(metrics)
    ends = {task.headline: (score.low, score.high)}
    return tuple(
        metric.number(
            score.values[metric.column],
            *ends.get(metric, ()),
            is_best=metric.column in score.best,
        )
        for metric in metrics
    )


def _configuration(row: Mapping[Any, Any], several: Sequence[str]) -> Configuration:
    names = {
        "classifier": row["classifier"],
        "setup": row["setup"] or "usual",
        "seeds": f"seed {row['seeds']}",
    }
    source = str(row["source"])
    features = f"{source}: {row['features']}" if source else row["features"]
    label = " · ".join([features, *(names[key] for key in several)])
    key = (row["features"], row["classifier"], str(row["seeds"]), row["setup"])
    return Configuration(*key, label, source)


def _number(row: Mapping[Any, Any], key: str) -> float | None:
    """Return a number of a row; None where its cell is blank, or where there is no such column."""
    value = row.get(key, np.nan)
    return None if value in ("", None) or np.isnan(value) else float(value)
