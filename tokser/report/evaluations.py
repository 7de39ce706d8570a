"""How often each test set was evaluated, by the ledgers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokser.report.inputs import Experiment
from tokser.report.naming import order_protocols, protocol_title
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["Evaluations", "count_evaluations", "evaluations_table"]

_CONFIGURATION = ("features", "classifier", "target", "regressor", "seed")
_TESTED = ("dataset", "fold")
"""What an evaluation is of: a fold that tests several corpora is one of each."""


@dataclass(frozen=True)
class Evaluations:
    """How often the test sets of one protocol were evaluated."""

    folder: str
    protocol: str
    num_evaluations: int
    num_configurations: int
    """Different configurations among them."""
    num_repeated: int
    """Evaluations of a fold that the same configuration had evaluated before."""
    other_runs: int
    """Runs that evaluate something else and had evaluated a test set that overlaps with one of
    these, at most over these."""
    other_evaluations: int | None
    """Evaluations by those runs, at most over these test sets; None where it is not known."""
    overlap: float | None
    """Share of a test set that other runs had evaluated, at most; None where it is not known."""


def count_evaluations(results: Sequence[Experiment]) -> list[Evaluations]:
    """Count the lines of every folder's ledger, by protocol."""
    found = []
    for folder in results:
        by_protocol: dict[str, list[Mapping[str, Any]]] = {}
        for line in folder.evaluations:
            by_protocol.setdefault(str(line.get("protocol", "")), []).append(line)
        for protocol in order_protocols(by_protocol):
            lines = by_protocol[protocol]
            keys = [_key(line, (*_CONFIGURATION, *_TESTED)) for line in lines]
            most = _most(lines, "other_evaluations")
            found.append(
                Evaluations(
                    folder=str(folder.folder),
                    protocol=protocol,
                    num_evaluations=len(lines),
                    num_configurations=len({_key(line, _CONFIGURATION) for line in lines}),
                    num_repeated=len(keys) - len(set(keys)),
                    other_runs=int(_most(lines, "other_runs") or 0),
                    other_evaluations=None if most is None else int(most),
                    overlap=_most(lines, "overlap"),
                )
            )
    return found


def evaluations_table(found: Sequence[Evaluations]) -> Table:
    """Show a row for each folder and protocol, and what they come to."""
    names = ("Evaluations", "Configurations", "Repeated", "Earlier other runs")
    numbers = (*names, "Their evaluations", "Overlap [%]")
    columns = (
        Column("Results"), Column("Protocol"), *(Column(name, "number") for name in numbers)
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (one.folder, protocol_title(one.protocol), one.num_evaluations, one.num_configurations,
         one.num_repeated, one.other_runs, one.other_evaluations,
         None if one.overlap is None else Number(one.overlap))
        for one in found
    ]  # fmt: skip
    evaluations = sum(one.num_evaluations for one in found)
    repeated = sum(one.num_repeated for one in found)
    totals = ("All", None, evaluations, None, repeated, None, None, None)
    notes = () if found else ("The ledgers are empty.",)
    caption = "Test-set evaluations"
    return Table("evaluations", caption, (ColumnGroup(columns),), tuple(rows), totals, notes)


def _key(line: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(line.get(name, "")) for name in names)


def _most(lines: Sequence[Mapping[str, Any]], key: str) -> float | None:
    return max((float(line[key]) for line in lines if key in line), default=None)
