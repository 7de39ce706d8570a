"""How often the test sets of several folders were evaluated, over all of their ledgers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tokser.report.inputs import Experiment
from tokser.report.naming import order_protocols, protocol_title
from tokser.report.table import Cell, Column, ColumnGroup, Table

__all__ = ["test_sets_table"]

_Line = Mapping[str, Any]
_CONFIGURATION = ("features", "classifier", "target", "regressor", "seed")
_NOTES = (
    "Test sets: different ones, by the digest of their utterances; equal ones of two folders are "
    "one. Of one: most evaluations of one test set. Earlier runs: other runs that had evaluated "
    "overlapping test sets before, by the ledger that runs share.",
    "The more often a test set was evaluated, the less its highest score means.",
)


def test_sets_table(folders: Mapping[str, Experiment]) -> Table:
    """Show evaluations of test sets: by protocol and folder, then of all folders together."""
    names = ("Test sets", "Evaluations", "Configurations", "Of one", "Earlier runs")
    columns = (
        *(Column("Protocol"), Column("Folder")), *(Column(name, "number") for name in names)
    )  # fmt: skip
    by_folder = {name: list(one.evaluations) for name, one in folders.items()}
    every = [line for lines in by_folder.values() for line in lines]
    rows: list[tuple[Cell, ...]] = []
    for protocol in order_protocols(map(_protocol, every)):
        for name, lines in (by_folder | {"all": every}).items():
            own = [line for line in lines if _protocol(line) == protocol]
            if own:
                rows.append((protocol_title(protocol), name, *_counts(own)))
    groups = (ColumnGroup(columns),)
    caption = "Evaluations of the same test sets, by the ledgers"
    return Table("compare-test-sets", caption, groups, tuple(rows), notes=_NOTES)


def _protocol(line: _Line) -> str:
    return str(line.get("protocol", ""))


def _counts(lines: Sequence[_Line]) -> tuple[Cell, ...]:
    by_set = Counter(str(line.get("test_digest", "")) for line in lines)
    configurations = {
        (str(line.get("run", "")), *(str(line.get(key, "")) for key in _CONFIGURATION))
        for line in lines
    }
    earlier = max(int(line.get("other_runs", 0)) for line in lines)
    return len(by_set), len(lines), len(configurations), max(by_set.values()), earlier
