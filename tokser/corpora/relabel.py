"""Decisions about labels, and the manifest that they make."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tokser.corpora.cells import read_cells
from tokser.errors import ManifestError, MissingInputError, list_some

__all__ = ["DECISION", "FORMER_LABEL", "Decision", "Relabelled", "read_decisions", "relabelled"]

FORMER_LABEL, DECISION = "former_label", "decision"
"""Columns of the new manifest: the label before it was changed or removed, and what was decided."""
_COLUMNS = ("id", "label", "decision", "new_label")
_KINDS = ("keep", "change", "remove")


class Decision(NamedTuple):
    """What was decided about an utterance.

    Attributes:
        id: The utterance.
        label: The label that it had then.
        decision: `keep`, `change` or `remove`.
        new_label: Of `change`; else empty.
        where: Where it stands, for instance `line 7`.
    """

    id: str
    label: str
    decision: str
    new_label: str
    where: str


class Relabelled(NamedTuple):
    """A manifest with new labels.

    Attributes:
        text: As CSV.
        num_kept: Labels that were confirmed.
        num_changed: Labels that were replaced.
        num_removed: Labels that are empty now.
    """

    text: str
    num_kept: int
    num_changed: int
    num_removed: int


def read_decisions(path: Path) -> list[Decision]:
    """Read a table of decisions: a CSV with the columns id, label, decision and new_label.

    Raises:
        MissingInputError: There is no such file.
        ManifestError: A column is missing, a cell has another value, or an utterance stands twice;
            all lines are named.
    """
    if not path.is_file():
        raise MissingInputError(
            path,
            expected="decisions (CSV: id, label, decision, new_label)",
            got="a folder" if path.exists() else "no such file",
            remedy="Download them from the page of `tokser labels`.",
        )
    table = read_cells(path)
    header = [name.strip().lower() for name in table.header]
    if any(header.count(name) != 1 for name in _COLUMNS):
        raise _wrong(path, [f"the columns {list_some(table.header, most=20) or 'none'}"])
    places = [header.index(name) for name in _COLUMNS]
    found: list[Decision] = []
    faults: list[str] = []
    for number, line in table.lines:
        if len(line) != len(header):
            faults.append(f"line {number}: {len(line)} cells under {len(header)} columns")
            continue
        name, label, kind, new_label = (line[place].strip() for place in places)
        decision = Decision(name, label, kind, new_label, f"line {number}")
        faults += _faults_of(decision)
        found.append(decision)
    first: dict[str, Decision] = {}
    for one in found:
        before = first.setdefault(one.id, one)
        if before is not one:
            faults.append(f"{one.id} twice ({before.where}, {one.where})")
    if not table.lines:
        faults.append("no line below the header")
    if faults:
        raise _wrong(path, faults)
    return found


def relabelled(
    manifest: str, decisions: Sequence[Decision], *, name: object, decided: object
) -> Relabelled:
    """Return a manifest with new labels, and what they were; nothing else in it changes.

    Args:
        manifest: Its CSV text.
        decisions: At most one of an utterance.
        name: The manifest, for messages.
        decided: The table of decisions, for messages.

    Raises:
        ManifestError: The manifest lacks utterances, has other labels than were decided about, or
            a new label is none of its labels; all lines are named.
    """
    reader = csv.DictReader(io.StringIO(manifest, newline=""))
    rows = list(reader)
    header = list(reader.fieldnames or ())
    absent = [column for column in ("id", "label") if column not in header]
    if absent:
        raise ManifestError(
            name,
            expected="a manifest with the columns id and label",
            got=f"no column {list_some(absent)}",
            remedy="Write it with `tokser manifest`.",
        )
    by_id = {one.id: one for one in decisions}
    _require_fitting(rows, by_id, name, decided)
    columns = [*header, *(c for c in (FORMER_LABEL, DECISION) if c not in header)]
    for row in rows:
        row.setdefault(FORMER_LABEL, "")
        row.setdefault(DECISION, "")
        one = by_id.get(row["id"])
        if one is None:
            continue
        row[DECISION] = one.decision
        if one.decision != "keep":
            row[FORMER_LABEL] = row["label"]
            row["label"] = one.new_label
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    kinds = [one.decision for one in decisions]
    return Relabelled(text.getvalue(), *(kinds.count(kind) for kind in _KINDS))


def _faults_of(one: Decision) -> list[str]:
    faults = [] if one.id else ["no id"]
    if one.decision not in _KINDS:
        faults.append(f"decision {one.decision!r}, which is none of {', '.join(_KINDS)}")
    elif one.decision == "change" and not one.new_label:
        faults.append("change without new_label")
    elif one.decision != "change" and one.new_label:
        faults.append(f"{one.decision} with new_label {one.new_label!r}")
    elif one.decision == "change" and one.new_label == one.label:
        faults.append(f"change of {one.label!r} to itself")
    return [f"{one.where}: {fault}" for fault in faults]


def _require_fitting(
    rows: Sequence[Mapping[str, str]],
    decisions: Mapping[str, Decision],
    name: object,
    decided: object,
) -> None:
    labels = {row["id"]: row["label"] for row in rows}
    known = set(labels.values()) - {""}
    faults = []
    for one in decisions.values():
        if one.id not in labels:
            faults.append(f"{one.where}: {one.id} is not in it")
        elif labels[one.id] != one.label:
            faults.append(f"{one.where}: {one.id} is {labels[one.id]!r} there, not {one.label!r}")
        elif one.new_label and one.new_label not in known:
            faults.append(f"{one.where}: {one.new_label!r} is none of its labels")
    if faults:
        raise ManifestError(
            decided,
            expected=f"decisions about the labels of {name}: {list_some(sorted(known), most=20)}",
            got=list_some(faults, most=20),
            remedy="Name the manifest that `tokser labels` looked at, or correct these lines.",
        )


def _wrong(path: Path, faults: Sequence[str]) -> ManifestError:
    return ManifestError(
        path,
        expected=f"decisions: the columns {', '.join(_COLUMNS)}; each utterance once; decision "
        f"{', '.join(_KINDS)}; new_label with change alone",
        got=list_some(faults, most=20),
        remedy="Correct these lines.",
    )
