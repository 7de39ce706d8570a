"""Scores by group of one configuration, and the largest gap of each column, as tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tokser.report.fairness_figure import dot_plot
from tokser.report.naming import p_value
from tokser.report.scores import Configuration
from tokser.report.svg import Drawing
from tokser.report.table import Cell, Column, ColumnGroup, Table
from tokser.report.tasks import Metric

__all__ = ["ByGroup", "by_group", "gaps_shown", "groups_shown"]

GROUP_NOTES = (
    "Intervals: 95 %, jackknife over speakers; where a group is one speaker, over sentences or "
    "utterances. UAR is over the classes that a group has.",
)
GAP_NOTES = (
    "Gap: the highest score of a group minus the lowest, over the classes that all compared groups "
    "have. The largest of several differences is large even where groups do not differ, so by "
    "chance says how large it is on average when groups are assigned at random, and p how often it "
    "is then at least as large. p (adjusted) is for all columns and feature sets.",
)
_KEYS = ("features", "classifier", "setup")


@dataclass(frozen=True)
class ByGroup:
    """Scores by group of the estimate of one protocol."""

    protocol: str
    row: Configuration
    groups: Table
    gaps: Table
    figure: Drawing


def by_group(
    groups: pd.DataFrame,
    gaps: pd.DataFrame,
    row: Configuration,
    protocol: str,
    metrics: Sequence[Metric],
    *,
    name: str,
    title: str,
) -> ByGroup | None:
    """Show one configuration under one protocol; None where it has no scores by group.

    Args:
        groups: `groups.csv`.
        gaps: `gaps.csv`.
        row: The configuration.
        protocol: Name of the protocol.
        metrics: Of the task; the first is the headline.
        name: Prefix of the names of the tables.
        title: Of the dataset and protocol.
    """
    own, largest = (_of(table, row, protocol) for table in (groups, gaps))
    if own.empty or largest.empty:
        return None
    caption = f"{title}: {metrics[0].name} by group, {row.label}"
    return ByGroup(
        protocol,
        row,
        groups_shown(own, metrics, f"{name}-groups-{protocol}", caption),
        gaps_shown(largest, metrics[0], f"{name}-gaps-{protocol}", f"{title}: largest gaps"),
        dot_plot(own, metrics[0], caption),
    )


def groups_shown(table: pd.DataFrame, metrics: Sequence[Metric], name: str, caption: str) -> Table:
    """Show the rows of `groups.csv` of one configuration.

    Args:
        table: Its rows.
        metrics: The first is the headline, and has intervals.
        name: Of the table.
        caption: Of the table.
    """
    headline, others = metrics[0], [m for m in metrics[1:3] if m.column in table]
    has_classes = bool(table["num_classes"].notna().any())
    columns = (
        *(Column("Column"), Column("Group"), Column(headline.name, "interval")),
        *(Column(metric.name, "number") for metric in others),
        *((Column("Classes", "number"),) if has_classes else ()),
        *(Column("Speakers", "number"), Column("n", "number")),
    )
    rows: list[tuple[Cell, ...]] = []
    for _, one in table.iterrows():
        ends = (_number(one[f"{headline.column}_{end}"]) for end in ("low", "high"))
        classes = (None if pd.isna(one["num_classes"]) else int(one["num_classes"]),)
        rows.append(
            (
                *(str(one["column"]), str(one["group"])),
                headline.number(float(one[headline.column]), *ends),
                *(metric.number(float(one[metric.column])) for metric in others),
                *(classes if has_classes else ()),
                *(int(one["num_speakers"]), int(one["n_test"])),
            )
        )
    missing = table[table["no_interval"].ne("")]
    told = dict.fromkeys(f"{r['column']}: {r['no_interval']}" for _, r in missing.iterrows())
    notes = (*GROUP_NOTES, *((f"No interval: {'; '.join(told)}.",) if told else ()))
    return Table(name, caption, (ColumnGroup(columns),), tuple(rows), notes=notes)


def gaps_shown(table: pd.DataFrame, metric: Metric, name: str, caption: str) -> Table:
    """Show rows of `gaps.csv`.

    Args:
        table: A row for each column of one configuration.
        metric: The headline.
        name: Of the table.
        caption: Of the table.
    """
    columns = (
        *(Column("Column"), Column("Groups", "number"), Column("Highest"), Column("Lowest")),
        *(Column("Gap", "interval"), Column("By chance", "number")),
        *(Column("p", "number"), Column("p (adjusted)", "number")),
    )
    rows: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    for _, one in table.iterrows():
        notes += _notes(one)
        if pd.isna(one["gap"]):
            rows.append((str(one["column"]), int(one["num_groups"]), *[None] * 6))
            continue
        gap = metric.number(float(one["gap"]), _number(one["low"]), _number(one["high"]))
        ends = [
            f"{one[end]} ({metric.text(float(one[f'{end}_score']))})"
            for end in ("highest", "lowest")
        ]
        chance = _number(one["gap_by_chance"])
        by_chance = None if chance is None else metric.number(chance)
        p_values = [p_value(_number(one[p])) or None for p in ("p", "p_adjusted")]
        rows.append((str(one["column"]), int(one["num_groups"]), *ends, gap, by_chance, *p_values))
    return Table(
        name, caption, (ColumnGroup(columns),), tuple(rows),
        notes=(*GAP_NOTES, *dict.fromkeys(notes)),
    )  # fmt: skip


def _notes(row: pd.Series) -> list[str]:
    """Say what is missing of a column's gap, and what it leaves out."""
    what = str(row["column"])
    told = []
    if row["no_interval"]:
        told.append(f"{what}: no interval, {row['no_interval']}.")
    if row["no_test"] and row["no_test"] != row["no_interval"]:
        told.append(f"{what}: no test, {row['no_test']}.")
    if row["classes_left_out"]:
        told.append(f"{what}: without {row['classes_left_out']}, which not all groups have.")
    if row["not_compared"]:
        told.append(f"{what}: not compared, since too small: {row['not_compared']}.")
    return told


def _of(table: pd.DataFrame, row: Configuration, protocol: str) -> pd.DataFrame:
    """Return the rows of a configuration, groups as a reader looks for them."""
    own = table["protocol"] == protocol
    for key in _KEYS:
        own &= table[key] == getattr(row, key)
    return table[own]


def _number(value: object) -> float | None:
    return None if pd.isna(value) else float(str(value))
