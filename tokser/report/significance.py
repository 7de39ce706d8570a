"""Which feature sets differ: the paired tests of `tokser classify`, arranged for a reader."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tokser.report.naming import order_protocols

__all__ = ["Family", "Pair", "find_families"]

_LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """Two feature sets, the better one first; differences are fractions."""

    better: str
    worse: str
    difference: float
    low: float
    """Lower end of the 95 % interval; NaN where there is none."""
    high: float
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
    """What was swapped: `speaker` or `session`."""
    no_test: str
    """Why there is no test; empty where there is one."""
    pairs: tuple[Pair, ...]
    """The largest difference first."""

    @property
    def num_significant(self) -> int:
        """How many pairs differ at 5 %."""
        return sum(pair.is_significant for pair in self.pairs)


def find_families(tables: Sequence[pd.DataFrame]) -> list[Family]:
    """Arrange `comparisons.csv` of the folders of one dataset.

    Returns:
        A family for each protocol, classifier and setup, the most trustworthy protocol first.
    """
    together = pd.concat(tables) if tables else pd.DataFrame(columns=["protocol"])
    families = []
    for protocol in order_protocols(together["protocol"]):
        mine = together[together["protocol"] == protocol]
        for (classifier, setup), rows in mine.groupby(["classifier", "setup"], sort=False):
            pairs = [_pair(row) for row in rows.to_dict("records")]
            pairs.sort(key=lambda pair: (-pair.difference, pair.better, pair.worse))
            unit, no_test = str(rows["unit"].iloc[0]), str(rows["no_test"].iloc[0])
            families.append(Family(protocol, classifier, setup, unit, no_test, tuple(pairs)))
    return families


def _pair(row: dict[str, object]) -> Pair:
    better, worse = str(row["first"]), str(row["second"])
    difference, low, high = (float(str(row[key])) for key in ("difference", "low", "high"))
    p, p_adjusted = (
        None if pd.isna(row[key]) else float(str(row[key])) for key in ("p", "p_adjusted")
    )
    if difference < 0:
        better, worse = worse, better
        difference, low, high = -difference, -high, -low
    return Pair(better, worse, difference, low, high, p, p_adjusted)
