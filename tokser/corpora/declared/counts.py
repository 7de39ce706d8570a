"""Whether a declared corpus on disk is complete: its utterances, classes and speakers counted."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokser.corpora.declared.declaration import Declaration, Subset
from tokser.corpora.declared.paths import list_files
from tokser.corpora.declared.scan import list_utterances
from tokser.errors import list_some
from tokser.shipped import shipped_file

__all__ = ["count_declared", "differences"]


def count_declared(declaration: Declaration, root: Path) -> tuple[int, str, list[str]]:
    """Count a declared corpus without opening a recording.

    Args:
        declaration: The corpus.
        root: Its folder.

    Returns:
        Number of utterances, the parts that are there ("" if the corpus has none that are unpacked
        one by one), and the differences from the complete corpus or from those parts, a phrase
        each.

    Raises:
        CorpusError: The corpus is malformed.
    """
    rows = list_utterances(declaration, root, quiet=True)
    there: list[str] = []
    lacks = list(
        _differences_by_id(declaration, rows)
        if declaration.ids
        else differences(declaration.whole, rows)
    )
    listing = list_files(root)
    for name, subset in declaration.subsets.items():
        missing = [t for t in subset.needs if not listing.matching(declaration.tables[t].files)]
        for table in missing:
            files = list_some(declaration.tables[table].files)
            lacks.append(f"no {files}, which `--subset {name}` needs")
    for name, part in declaration.subsets.items():
        if part.is_part:
            found = list_utterances(declaration, root, subset=name, quiet=True)
            there += [name] if found else []
            lacks += [f"{name}: {text}" for text in differences(part, found)] if found else []
    return len(rows), ", ".join(there), lacks


def _differences_by_id(
    declaration: Declaration, rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield which utterances of the complete corpus are missing, and which are not its."""
    with shipped_file("data_manifests", declaration.ids).open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        expected = {line["id"] for line in lines}
    there = {row["id"] for row in rows}
    if missing := sorted(expected - there):
        yield f"{len(missing)} of {len(expected)} recordings missing ({list_some(missing)})"
    if foreign := sorted(there - expected):
        name = declaration.title
        yield f"{len(foreign)} recordings that are not {name}'s ({list_some(foreign)})"


def differences(expected: Subset, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield how utterances differ from the counts of a complete subset, a phrase each."""
    if expected.num_utterances is not None and len(rows) != expected.num_utterances:
        yield f"{len(rows):,} of {expected.num_utterances:,} utterances"
    speakers = Counter(row["speaker"] for row in rows if row["speaker"])
    if expected.num_speakers is not None and len(speakers) != expected.num_speakers:
        yield f"{len(speakers):,} of {expected.num_speakers:,} speakers"
    for column, counts in (("session", expected.sessions), ("label", expected.labels)):
        there = Counter(row[column] for row in rows)
        for name, number in counts.items():
            if there[name] != number:
                what = f"session {name}" if column == "session" else name
                yield f"{what}: {there[name]:,} of {number:,}"
    if expected.per_speaker is not None:
        others = [
            f"{name} ({number:,})"
            for name, number in sorted(speakers.items())
            if number != expected.per_speaker
        ]
        if others:
            yield f"speakers without {expected.per_speaker:,} utterances: {list_some(others)}"
