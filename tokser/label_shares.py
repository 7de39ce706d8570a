"""Shares of annotators by class: columns `label_<class>` of a table of utterances.

They hold shares that sum to 1, or counts of annotators; `num_annotators` says how many there were.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some

__all__ = [
    "NUM_ANNOTATORS",
    "SHARE",
    "LabelShares",
    "classes_with_shares",
    "read_shares",
    "winners",
]

SHARE = "label_"
"""How the columns begin."""
NUM_ANNOTATORS = "num_annotators"
"""Column with the number of annotators of an utterance."""
_OFF_ONE = 0.01
"""How far the shares of an utterance may be from 1 in sum: what rounding to two decimals makes."""
_EQUAL = 1e-9
"""Shares that differ by less are equal."""


@dataclass(frozen=True)
class LabelShares:
    """What annotators said of each utterance.

    Attributes:
        shares: Share of each class, [utterances, classes], index = id; all 0 where nobody annotated
            an utterance.
        num_annotators: Of each utterance; NaN where that is not known, [utterances].
    """

    shares: pd.DataFrame
    num_annotators: "pd.Series[float]"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""
        return tuple(self.shares.columns)

    @property
    def is_annotated(self) -> "pd.Series[bool]":
        """Whether anybody annotated an utterance."""
        return self.shares.sum(axis=1) > 0

    @classmethod
    def of_counts(cls, counts: pd.DataFrame) -> "LabelShares":
        """Return shares of counts, [utterances, classes]."""
        ordered = counts[sorted(counts.columns)].astype(np.float64)
        total = ordered.sum(axis=1)
        return cls(ordered.div(total.where(total > 0, 1), axis=0), total)

    def columns(self) -> pd.DataFrame:
        """Return them as a manifest has them: text, empty where nobody annotated an utterance."""
        known = self.is_annotated
        written = {
            f"{SHARE}{name}": [
                repr(float(share)) if is_known else ""
                for share, is_known in zip(self.shares[name], known, strict=True)
            ]
            for name in self.classes
        }
        numbers = ["" if np.isnan(n) else str(int(n)) for n in self.num_annotators]
        return pd.DataFrame(written | {NUM_ANNOTATORS: numbers}, index=self.shares.index)


def classes_with_shares(columns: Iterable[str]) -> list[str]:
    """Return the classes of the columns `label_<class>` among some, sorted."""
    names = (str(column) for column in columns)
    return sorted(n.removeprefix(SHARE) for n in names if n.startswith(SHARE) and n != SHARE)


def read_shares(table: pd.DataFrame, where: object) -> LabelShares:
    """Read shares, or counts of annotators, of a table of utterances.

    Numbers that are all whole are counts. An empty cell is 0; an utterance whose cells are all 0 or
    empty has no annotator.

    Args:
        table: Columns `label_<class>`, and `num_annotators` if that is known; index = id.
        where: The table, for messages.

    Raises:
        InputError: There are fewer than two classes, cells are no numbers or negative, or shares
            do not sum to 1; all such utterances are named.
    """
    classes = classes_with_shares(table.columns)
    if len(classes) < 2:
        raise InputError(
            where,
            expected="columns label_<class> of at least two classes, with shares or counts of "
            "annotators",
            got=list_some([f"{SHARE}{name}" for name in classes]) or "none",
            remedy="Write them with `tokser manifest --annotations FILE`, or add them to the "
            "manifest.",
        )
    cells = table[[f"{SHARE}{name}" for name in classes]].set_axis(classes, axis=1)
    numbers = cells.replace("", "0").apply(pd.to_numeric, errors="coerce").astype(np.float64)
    _refuse_broken(cells, numbers, where)
    if bool((numbers % 1 == 0).to_numpy().all()):
        found = LabelShares.of_counts(numbers)
        return LabelShares(found.shares, _given_numbers(table, found.num_annotators))
    total = numbers.sum(axis=1)
    off = total[(total > 0) & ((total - 1).abs() > _OFF_ONE)]
    if len(off):
        faults = [f"{name}: {value:g}" for name, value in off.items()]
        raise InputError(
            where,
            expected="shares label_<class> that sum to 1 for each utterance, or whole counts of "
            "annotators",
            got=f"other sums: {list_some(faults)}",
            remedy="Correct these rows.",
        )
    unknown = pd.Series(np.nan, index=table.index)
    shares = numbers.div(total.where(total > 0, 1), axis=0)
    return LabelShares(shares, _given_numbers(table, unknown))


def winners(shares: pd.DataFrame, *, above: float = 0.0, at_least: float = 0.0) -> "pd.Series[str]":
    """Return the class with the largest share of each utterance; empty where there is none.

    Args:
        shares: [utterances, classes].
        above: Its share is larger than that.
        at_least: Its share is at least that. Where several classes share the first place, none
            has won.
    """
    values = shares.to_numpy(dtype=np.float64)
    best = values.max(axis=1)
    num_best = (values >= best[:, None] - _EQUAL).sum(axis=1)
    has_won = (num_best == 1) & (best > above + _EQUAL) & (best >= at_least - _EQUAL)
    names = np.asarray(shares.columns, dtype=object)[values.argmax(axis=1)]
    return pd.Series(np.where(has_won, names, ""), index=shares.index, dtype=object)


def _given_numbers(table: pd.DataFrame, otherwise: "pd.Series[float]") -> "pd.Series[float]":
    """Return the numbers of annotators that a table states, and others where it does not."""
    if NUM_ANNOTATORS not in table:
        return otherwise
    given = pd.to_numeric(table[NUM_ANNOTATORS], errors="coerce").astype(np.float64)
    return given.where(given.notna(), otherwise)


def _refuse_broken(cells: pd.DataFrame, numbers: pd.DataFrame, where: object) -> None:
    values = numbers.to_numpy()
    rows, columns = np.nonzero(~np.isfinite(values) | (values < 0))
    names = list(cells.columns)
    faults: Sequence[str] = [
        f"{SHARE}{names[column]} of {cells.index[row]}: {cells.iat[row, column]!r}"
        for row, column in zip(rows, columns, strict=True)
    ]
    if faults:
        commas = any("," in fault.rpartition(":")[2] for fault in faults)
        raise InputError(
            where,
            expected="shares or counts of annotators: numbers that are not negative",
            got=list_some(faults),
            remedy="Write decimals with a point." if commas else "Correct these cells.",
        )
