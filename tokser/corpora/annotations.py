"""What several annotators said of each utterance: a table of them, counted by class."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tokser.corpora.cells import read_cells
from tokser.errors import InputError, ManifestError, MissingInputError, list_some
from tokser.progress import warn

__all__ = ["Annotation", "count_annotations", "read_annotations"]

_COLUMNS = ("id", "annotator", "label")


class Annotation(NamedTuple):
    """What one annotator said of one utterance.

    Attributes:
        id: The utterance.
        annotator: Who it was; empty where that is not known: then each row is another one.
        label: The class; empty where the annotator chose none that counts.
        where: Where it stands, for instance `line 7`.
    """

    id: str
    annotator: str
    label: str
    where: str


def read_annotations(path: Path) -> list[Annotation]:
    """Read a table of annotations: a CSV with the columns id, annotator and label.

    Raises:
        MissingInputError: There is no such file.
        ManifestError: It is no CSV, lacks a column, or cells are missing; all lines are named.
    """
    if not path.is_file():
        raise MissingInputError(
            path,
            expected="a table of annotations (CSV: id, annotator, label)",
            got="a folder" if path.exists() else "no such file",
            remedy="Correct --annotations.",
        )
    table = read_cells(path)
    header = [name.strip().lower() for name in table.header]
    absent = [name for name in _COLUMNS if header.count(name) != 1]
    if absent:
        raise _malformed(path, [f"the columns {list_some(table.header, most=30) or 'none'}"])
    places = [header.index(name) for name in _COLUMNS]
    found, faults = [], []
    for number, line in table.lines:
        if len(line) != len(header):
            faults.append(f"line {number}: {len(line)} cells under {len(header)} columns")
            continue
        cells = [" ".join(line[place].split()) for place in places]
        faults += [
            f"line {number}: no {name}"
            for name, cell in zip(_COLUMNS, cells, strict=True)
            if not cell
        ]
        name, annotator, label = cells
        found.append(Annotation(name, annotator, label, f"line {number}"))
    if not table.lines:
        faults.append("no line below the header")
    if faults:
        raise _malformed(path, faults)
    return found


def count_annotations(
    annotations: Iterable[Annotation],
    ids: Sequence[str],
    *,
    table: object,
    renamed: Mapping[str, str] | None = None,
    known: Iterable[str] = (),
) -> pd.DataFrame:
    """Count the annotators of each utterance by class.

    Args:
        annotations: All of a table.
        ids: The utterances; annotations of others are left out, and counted in a message.
        table: Its name, for messages.
        renamed: Classes by what the table calls them; an empty one is left out.
        known: Classes that there may be; empty: any.

    Returns:
        Counts, [utterances, classes], index = id; 0 for utterances without annotations.

    Raises:
        InputError: An annotator says two things about an utterance, a class is unknown, no
            annotation has a class, or none is about these utterances; all faults are named.
    """
    names, wanted = renamed or {}, set(ids)
    allowed = {*known, *names.values()} if known else set()
    counts: Counter[tuple[str, str]] = Counter()
    seen: dict[tuple[str, str], Annotation] = {}
    faults: list[str] = []
    unknown: dict[str, str] = {}
    elsewhere: Counter[str] = Counter()
    for one in annotations:
        if one.id not in wanted:
            elsewhere[one.id] += 1
            continue
        if one.annotator:
            before = seen.setdefault((one.id, one.annotator), one)
            if before is not one:
                faults.append(f"{one.annotator} twice about {one.id} ({before.where}, {one.where})")
        label = names.get(one.label, one.label)
        if allowed and label and label not in allowed:
            unknown.setdefault(label, one.where)
        counts[one.id, label] += bool(label)
    if faults:
        raise InputError(
            table,
            expected="one annotation of an utterance by each annotator",
            got=list_some(faults, most=20),
            remedy="Remove the lines that do not count.",
        )
    if unknown:
        raise _unknown_classes(table, unknown, allowed)
    if not any(counts.values()):
        raise InputError(
            table,
            expected="annotations of these utterances",
            got=f"those of {list_some(list(elsewhere)) or 'none'}",
            remedy=f"Write ids as the manifest has them, such as {list_some(list(ids), most=2)}.",
        )
    if elsewhere:
        warn(
            f"{table}: {sum(elsewhere.values()):,} annotations of {len(elsewhere):,} utterances "
            f"that are not listed are left out: {list_some(list(elsewhere))}"
        )
    classes = sorted({label for (_, label), number in counts.items() if number})
    rows = {name: [counts[name, label] for label in classes] for name in ids}
    return pd.DataFrame.from_dict(rows, orient="index", columns=classes)


def _unknown_classes(table: object, unknown: Mapping[str, str], known: set[str]) -> InputError:
    first = next(iter(unknown))
    return InputError(
        table,
        expected=f"classes that the utterances have: {list_some(sorted(known - {''}), most=20)}",
        got=list_some([f"{name!r} ({where})" for name, where in unknown.items()], most=20),
        remedy=f"Rename such a class with `--rename-label '{first}=NAME'`, accept it with "
        f"`--rename-label '{first}={first}'`, or leave its annotations out with "
        f"`--rename-label '{first}='`.",
    )


def _malformed(path: Path, faults: Sequence[str]) -> ManifestError:
    return ManifestError(
        path,
        expected="a table of annotations: the columns id, annotator and label, all cells filled",
        got=list_some(faults, most=20),
        remedy="Correct these lines.",
    )
