"""Which feature sets differ: the paired tests, arranged for a reader."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tokser.report.naming import order_protocols, p_value, protocol_title
from tokser.report.table import Cell, Column, ColumnGroup, Table, Text
from tokser.report.tasks import Metric

__all__ = ["Family", "Pair", "comparison_table", "find_families"]

_LEVEL = 0.05
_FAMILY = ["classifier", "setup", "source"]


@dataclass(frozen=True)
class Pair:
    """Two feature sets, the better one first; differences of the headline."""

    better: str
    worse: str
    difference: float
    low: float | None
    """Lower end of the 95 % interval; None where there is none."""
    high: float | None
    p: float | None
    """None where there is no test."""
    p_adjusted: float | None

    @property
    def is_significant(self) -> bool:
        """Whether they differ at 5 %, all comparisons of the family taken together."""
        return self.p_adjusted is not None and self.p_adjusted <= _LEVEL


@dataclass(frozen=True)
class Family:
    """All comparisons that were made together: one protocol, one classifier."""

    protocol: str
    classifier: str
    setup: str
    unit: str
    """What was permuted: `speaker` or `session`."""
    no_test: str
    """Why there is no test; empty where there is one."""
    pairs: tuple[Pair, ...]
    """The largest difference first."""
    source: str = ""
    """Store or folder, where several have the same features."""

    @property
    def title(self) -> str:
        """Protocol, classifier, setup and source."""
        parts = (protocol_title(self.protocol), self.classifier, self.setup, self.source)
        return ", ".join(part for part in parts if part)

    @property
    def verdict(self) -> str:
        """How many pairs differ, or why there is no test."""
        if self.no_test:
            return f"no test, {self.no_test}"
        return f"{self.num_significant} of {len(self.pairs)} pairs differ at 5 %"

    @property
    def num_significant(self) -> int:
        """How many pairs differ at 5 %."""
        return sum(pair.is_significant for pair in self.pairs)


def find_families(table: pd.DataFrame) -> list[Family]:
    """Arrange the rows of `comparisons.csv` of one dataset and target.

    Returns:
        A family for each protocol, classifier, setup and source, the most trustworthy protocol
        first.
    """
    families = []
    for protocol in order_protocols(table["protocol"]):
        mine = table[table["protocol"] == protocol]
        for (head, setup, source), rows in mine.groupby(
            ["classifier", "setup", "source"], sort=False
        ):
            pairs = [_pair(row) for row in rows.to_dict("records")]
            pairs.sort(key=lambda pair: (-pair.difference, pair.better, pair.worse))
            unit, no_test = str(rows["unit"].iloc[0]), str(rows["no_test"].iloc[0])
            families.append(Family(protocol, head, setup, unit, no_test, tuple(pairs), source))
    return families


def comparison_table(
    families: Sequence[Family],
    metric: Metric,
    name: str,
    caption: str,
    stamps: Mapping[str, str],
) -> Table:
    """Show the pairs of families; with several, the columns say which family a pair is of."""
    which = (Column("Protocol"), Column("Classifier"))
    columns = (
        Column("Better"), Column("Worse"), Column("Difference", "interval"),
        Column("p", "number"), Column("p (max-t)", "number"),
    )  # fmt: skip
    is_one = len(families) == 1
    rows = [
        row if is_one else (protocol_title(family.protocol), _classifier(family), *row)
        for family in families
        for row in (_cells(pair, metric) for pair in family.pairs)
    ]
    notes = dict.fromkeys((*_stamps(families, stamps), *_missing_tests(families)))
    groups = (ColumnGroup(columns if is_one else (*which, *columns)),)
    return Table(name, caption, groups, tuple(rows), notes=tuple(notes))


def _classifier(family: Family) -> str:
    return f"{family.source}: {family.classifier}" if family.source else family.classifier


def _cells(pair: Pair, metric: Metric) -> tuple[Cell, ...]:
    difference = metric.number(pair.difference, pair.low, pair.high, is_difference=True)
    adjusted = p_value(pair.p_adjusted)
    marked = Text(adjusted) if pair.is_significant else adjusted
    return pair.better, pair.worse, difference, p_value(pair.p), marked


def _stamps(families: Iterable[Family], stamps: Mapping[str, str]) -> Iterable[str]:
    return (
        f"{protocol_title(family.protocol)}: {stamps[family.protocol]}."
        for family in families
        if stamps.get(family.protocol)
    )


def _missing_tests(families: Iterable[Family]) -> Iterable[str]:
    return (
        f"{protocol_title(family.protocol)}: no test, {family.no_test}."
        for family in families
        if family.no_test
    )


def _pair(row: Mapping[str, object]) -> Pair:
    better, worse = str(row["first"]), str(row["second"])
    difference = float(str(row["difference"]))
    low, high, p, p_adjusted = (
        None if pd.isna(row[key]) else float(str(row[key]))
        for key in ("low", "high", "p", "p_adjusted")
    )
    if difference < 0:
        better, worse, difference = worse, better, -difference
        low, high = (None if high is None else -high), (None if low is None else -low)
    return Pair(better, worse, difference, low, high, p, p_adjusted)
