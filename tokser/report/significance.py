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
    high: float
    p: float
    p_holm: float

    @property
    def is_significant(self) -> bool:
        """Whether they differ at 5 %, all comparisons of the family taken together."""
        return self.p_holm < _LEVEL


@dataclass(frozen=True)
class Family:
    """All comparisons that were made together: one protocol, one classifier."""

    protocol: str
    classifier: str
    setup: str
    num_speakers: int
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
            num_speakers = int(rows["num_speakers"].iloc[0])
            families.append(Family(protocol, classifier, setup, num_speakers, tuple(pairs)))
    return families


def _pair(row: dict[str, object]) -> Pair:
    better, worse = str(row["first"]), str(row["second"])
    difference, low, high, p, p_holm = (
        float(str(row[key])) for key in ("difference", "low", "high", "p", "p_holm")
    )
    if difference < 0:
        better, worse = worse, better
        difference, low, high = -difference, -high, -low
    return Pair(better, worse, difference, low, high, p, p_holm)
