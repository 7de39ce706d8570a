"""The rows of `groups.csv` and `gaps.csv`: scores by group, and the largest gap of each column."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from tokser.experiments.fairness.groupings import UNKNOWN, Grouping
from tokser.experiments.fairness.tables import RECALL
from tokser.experiments.splits.sentences import sentences_of
from tokser.experiments.statistics.largest_gap import (
    Arrangements,
    GroupedSums,
    arrange,
    gap_interval,
    gaps_of,
    scores_of,
)
from tokser.experiments.statistics.permutation import LEVEL, step_down
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.task import Task
from tokser.intervals import Interval

__all__ = ["FEWEST_TESTED", "Predicted", "gap_rows", "group_rows"]

FEWEST_TESTED = 10
"""Test utterances below which a group is not compared with others."""
_ROUNDING = 1e-9
_MARK = "\x1f"
"""Between group and unit of a cell."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Predicted:
    """What was predicted by one configuration, and of whom.

    Attributes:
        task: What is predicted.
        classes: Of the target; none where numbers are predicted.
        predictions: One table for each seed.
        utterances: Manifest of all utterances, index = id.
    """

    task: Task
    classes: tuple[str, ...]
    predictions: Sequence[pd.DataFrame]
    utterances: pd.DataFrame

    def speakers(self, ids: Sequence[str]) -> set[str]:
        """Return the known speakers of some utterances."""
        return {self._speakers[one] for one in ids} - {""}

    @cached_property
    def _speakers(self) -> dict[str, str]:
        return dict(zip(self.utterances.index, self.utterances["speaker"], strict=True))


def group_rows(tested: Predicted, grouping: Grouping) -> Iterator[Row]:
    """Yield the scores of each group that was tested; those whose group is unknown come last.

    The UAR of a group is over the classes that the group has; the row counts them.
    """
    task = tested.task
    for name in (*grouping.order, ""):
        own = _of_group(tested.predictions, grouping, [name])
        if not own:
            continue
        sums = task.unit_sums(own, grouping.units, tested.classes)
        scores = task.test_scores(sums, own)
        by_class = task.class_rows(sums, tested.classes, own)[0]
        recalls = {
            f"{RECALL}{row['label']}{end}": row[f"recall{end}"] if row["support"] else None
            for row in by_class
            for end in ("", "_low", "_high")
        }
        yield {
            "column": grouping.column,
            "group": name or UNKNOWN,
            "n_test": round(sums.num_test),
            "num_speakers": len(tested.speakers(_ids(own))),
            "num_classes": sum(row["support"] > 0 for row in by_class) if by_class else None,
            **scores.columns,
            "unit": sums.kind,
            "num_units": sums.num_units,
            "no_interval": scores.no_interval,
            "num_seeds": len(own),
            **recalls,
        }


def gap_rows(
    systems: Mapping[str, Predicted], groupings: Sequence[Grouping], *, seed: int
) -> dict[str, list[Row]]:
    """Return the largest gap of each column for each system, tested together.

    The gap is the highest score of a group minus the lowest, over the classes that all compared
    groups have. The largest of many differences is large even where groups do not differ, so p is
    the share of random assignments of groups whose *largest* gap is at least the one observed:
    groups are permuted among speakers, or, where a group is a speaker, among utterances of one
    class (and of one sentence, where sentences are said several times). p_adjusted is for all
    systems and columns: step-down by common permutations, times the number of columns.

    Args:
        systems: Of one protocol, target and head, by their features; all tested on the same
            utterances.
        groupings: By which columns.
        seed: Of random permutations.

    Source: Westfall and Young 1993, algorithm 2.8 (step-down).
    """
    found: dict[str, list[Row]] = {name: [] for name in systems}
    for grouping in groupings:
        rows: dict[str, Row] = {}
        together: dict[str, GroupedSums] = {}
        plan: tuple[Arrangements, str] | None = None
        for name, tested in systems.items():
            compared = _Compared.of(tested, grouping)
            rows[name] = compared.row() | {"no_test": compared.missing}
            if len(compared.names) < 2 or compared.missing:
                continue
            sums, strata = compared.sums_of_test()
            if plan is None:
                plan = _plan(sums, strata, grouping, seed)
            is_same = np.array_equal(plan[0].groups[0], sums.group)
            rows[name]["no_test"] = plan[1] or ("" if is_same else "tested on other utterances")
            if not rows[name]["no_test"]:
                together[name] = sums
        if plan is not None and together:
            score = next(iter(systems.values())).task.score
            gaps = gaps_of(list(together.values()), plan[0], score)
            for name, row in zip(together, _test_rows(gaps, len(groupings)), strict=True):
                rows[name] |= row
        for name, row in rows.items():
            found[name].append(row)
    return found


def _test_rows(gaps: Float[np.ndarray, "systems arrangements"], num_columns: int) -> list[Row]:
    """Return the columns that a test by permutations gives, the first of which is observed."""
    sizes = [float(np.sqrt((own**2).mean())) for own in gaps]
    statistics = [
        own / size if size > _ROUNDING else np.zeros_like(own)
        for own, size in zip(gaps, sizes, strict=True)
    ]
    return [
        {
            "gap_by_chance": float(own.mean()),
            "p": float((own >= own[0] - _ROUNDING).mean()),
            "num_arrangements": len(own),
            "p_adjusted": min(1.0, p * num_columns),
        }
        for own, p in zip(gaps, step_down(np.stack(statistics)), strict=True)
    ]


@dataclass(frozen=True)
class _Compared:
    """What of a configuration's predictions is compared between groups.

    Attributes:
        tested: The configuration.
        grouping: The column.
        names: Groups that are compared.
        predictions: Of these groups and of the classes that all of them have.
        num_classes: How many these are; None where numbers are predicted.
        left_out: Classes that some group lacks.
        not_compared: Groups that are too small.
        missing: Why there is nothing to compare.
    """

    tested: Predicted
    grouping: Grouping
    names: tuple[str, ...]
    predictions: list[pd.DataFrame]
    num_classes: int | None
    left_out: tuple[str, ...]
    not_compared: tuple[str, ...]
    missing: str

    @classmethod
    def of(cls, tested: Predicted, grouping: Grouping) -> "_Compared":
        """Leave small groups out, then classes that some group lacks."""
        tables = _of_group(tested.predictions, grouping, grouping.order)
        counts = Counter(grouping.names(_ids(tables)))
        names = tuple(n for n in grouping.order if counts[n] >= FEWEST_TESTED)
        small = tuple(n for n in grouping.order if n not in names and n in counts)
        tables = _of_group(tested.predictions, grouping, names)
        missing = "" if len(names) > 1 else f"fewer than two groups of {FEWEST_TESTED} utterances"
        num_classes: int | None = None
        left_out: tuple[str, ...] = ()
        if not missing and tested.task.has_one_label:
            left_out = _lacking(tables, grouping, names)
            tables = [table[~table["label"].isin(left_out)] for table in tables]
            num_classes = len(tested.classes) - len(left_out)
            if num_classes < 2:
                missing = "fewer than two classes that all groups have"
        return cls(tested, grouping, names, tables, num_classes, left_out, small, missing)

    def row(self) -> Row:
        """Return the columns that need no test."""
        row: Row = {
            "column": self.grouping.column,
            "num_groups": len(self.names),
            "num_classes": self.num_classes,
            "classes_left_out": " ".join(self.left_out),
            "not_compared": ", ".join(self.not_compared),
            "unit": self.grouping.units.kind,
            "no_interval": self.missing,
        }
        if self.missing:
            return row
        sums = self._sums(self.grouping.units)
        scores = scores_of(sums, self.tested.task.score)
        best, worst = int(scores.argmax()), int(scores.argmin())
        _, interval = gap_interval(
            sums, best, worst, self.tested.task.score, self.grouping.units.kind
        )
        unknown = self.grouping.units.missing(self._ids)
        if unknown:
            interval = Interval.none(unknown)
        return row | {
            "highest": self.names[best],
            "highest_score": float(scores[best]),
            "lowest": self.names[worst],
            "lowest_score": float(scores[worst]),
            "gap": float(scores[best] - scores[worst]),
            "low": interval.low,
            "high": interval.high,
            "no_interval": interval.missing,
            "num_units": None if unknown else len(set(self.grouping.units.names(self._ids))),
        }

    def sums_of_test(self) -> tuple[GroupedSums, np.ndarray]:
        """Return the sums whose groups are permuted, and the stratum of each cell."""
        grouping, utterances = self.grouping, self.tested.utterances
        if grouping.units.kind == "speaker":
            sums = self._sums(grouping.units)
            strata = np.zeros(len(sums.group), dtype=np.int64) if sums.is_nested else sums.unit
            return sums, strata
        by_id = pd.Series(utterances.index, index=utterances.index)
        sums = self._sums(SamplingUnits("utterance", by_id))
        ids = sorted(self._ids)  # as the numbers of units are
        kinds = pd.Series("", index=ids)
        if self.tested.task.has_one_label:
            kinds = pd.concat([t.set_index("id")["label"] for t in self.predictions])
            kinds = kinds[~kinds.index.duplicated()].loc[ids]
        said = sentences_of(utterances).loc[ids]
        both = kinds + _MARK + said
        if said.ne("").all() and both.nunique() <= len(both) // 2:
            kinds = both
        return sums, pd.factorize(kinds)[0][sums.unit]

    @cached_property
    def _ids(self) -> list[str]:
        return _ids(self.predictions)

    def _sums(self, units: SamplingUnits) -> GroupedSums:
        """Sum by group and unit."""
        group, unit = self.grouping.names(self._ids), units.names(self._ids)
        cell = [of + _MARK + own for of, own in zip(group, unit, strict=True)]
        names = sorted(set(cell))
        task, classes = self.tested.task, self.tested.classes
        cells = SamplingUnits(units.kind, pd.Series(cell, index=self._ids, dtype=object))
        sums = task.unit_sums(self.predictions, cells, classes)
        place = {name: number for number, name in enumerate(self.names)}
        units_of = sorted(set(unit))
        number = {name: place for place, name in enumerate(units_of)}
        parts = [name.split(_MARK, 1) for name in names]
        return GroupedSums(
            sums.sums,
            np.array([place[group] for group, _ in parts], dtype=np.int64),
            np.array([number[unit] for _, unit in parts], dtype=np.int64),
            len(self.names),
            sums.num_test,
        )


def _plan(
    sums: GroupedSums, strata: np.ndarray, grouping: Grouping, seed: int
) -> tuple[Arrangements, str]:
    """Return the permutations of a column, and why there is no test by them."""
    cost = int(np.prod(sums.sums.shape[1:]))
    arrangements = arrange(sums.group, strata, seed=seed, size=cost)
    if "" in set(grouping.units.by_id):
        return arrangements, f"{grouping.units.kind}s unknown"
    if arrangements.smallest_p > LEVEL:
        num = len(set(sums.unit.tolist()))
        return arrangements, f"{num} {grouping.units.kind}s: p cannot be below " + (
            f"{arrangements.smallest_p:.3g}"
        )
    return arrangements, ""


def _of_group(
    predictions: Sequence[pd.DataFrame], grouping: Grouping, names: Sequence[str]
) -> list[pd.DataFrame]:
    """Return the rows of some groups, of the seeds that tested them."""
    wanted = set(names)
    kept = [
        np.array([one in wanted for one in grouping.names(_ids_of(table))], dtype=bool)
        for table in predictions
    ]
    return [table[own] for table, own in zip(predictions, kept, strict=True) if own.any()]


def _ids(tables: Sequence[pd.DataFrame]) -> list[str]:
    """Return the utterances of some tables, each once."""
    return list(dict.fromkeys(one for table in tables for one in _ids_of(table)))


def _ids_of(table: pd.DataFrame) -> list[str]:
    return list(table["id"].to_numpy(dtype=object))


def _lacking(
    tables: Sequence[pd.DataFrame], grouping: Grouping, names: Sequence[str]
) -> tuple[str, ...]:
    """Return the classes that some group lacks."""
    labels = [table["label"].to_numpy(dtype=object) for table in tables]
    present = {
        pair
        for table, own in zip(tables, labels, strict=True)
        for pair in zip(grouping.names(_ids_of(table)), own, strict=True)
    }
    known = sorted({str(label) for own in labels for label in own})
    return tuple(one for one in known if any((name, one) not in present for name in names))
