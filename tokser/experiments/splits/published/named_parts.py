"""What a file of published splits says: names of recordings by fold and part, with its lines."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokser.errors import InputError, MissingInputError, list_some

__all__ = ["PARTS", "NamedFold", "files_in", "read_json", "read_text", "rows_of"]

PARTS = ("train", "dev", "test")
_MOST_FAULTS = 12


@dataclass
class NamedFold:
    """One published fold: recordings as their makers name them.

    Attributes:
        protocol: Name of the splits.
        fold: Name of the fold.
        parts: By part, what each recording is called, as it is written: its name, and others that
            it may be found by. `dev` may be missing.
    """

    protocol: str
    fold: str
    parts: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def add(self, part: str, *names: str) -> None:
        """Put a recording into a part, under the names that it may be found by."""
        self.parts.setdefault(part, []).append(names)


def files_in(where: Path, patterns: Sequence[str], form: str) -> list[Path]:
    """Return the file itself, or the files of a folder that fit a pattern, in natural order.

    Args:
        where: File or folder that the user named.
        patterns: Of the files in a folder, at any depth; the first that fits any is taken.
        form: Name of the form, for the message.

    Raises:
        MissingInputError: There is nothing, or no such file in the folder.
    """
    if where.is_file():
        return [where]
    for pattern in patterns if where.is_dir() else ():
        found = sorted(p for p in where.glob(f"**/{pattern}") if not p.name.startswith("._"))
        if found:
            return found
    raise MissingInputError(
        f"--splits {where}",
        expected=f"a file, or a folder with files such as {', '.join(patterns)}, as {form} has "
        "them",
        got="no such files" if where.is_dir() else "nothing",
        remedy="Correct the path, or --splits-format.",
    )


def read_text(path: Path) -> str:
    """Return the text of a file; `InputError` where it is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, "a text in UTF-8", [str(error)]) from error


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; `InputError` where it is none."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise _wrong(path, "JSON", [str(error)]) from error


def rows_of(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file; `InputError` where it lacks columns or cells.

    Args:
        path: The file.
        columns: Headings that it must have.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    headings = [str(name).strip() for name in reader.fieldnames or ()]
    absent = [name for name in columns if name not in headings]
    if absent:
        expected = f"a table with the columns {', '.join(columns)}"
        raise _wrong(path, expected, [f"no column {', '.join(absent)}"])
    faults = []
    for row in reader:
        cells = {str(k).strip(): str(v or "").strip() for k, v in row.items() if k is not None}
        empty = [name for name in columns if not cells.get(name)]
        if empty:
            faults.append(f"line {reader.line_num}: nothing in {', '.join(empty)}")
        else:
            yield cells
    if faults:
        raise _wrong(path, "a value in every row", faults)


def _wrong(path: Path, expected: str, faults: Sequence[str]) -> InputError:
    return InputError(
        path,
        expected=expected,
        got=list_some(faults, most=_MOST_FAULTS),
        remedy="Correct the file, or take it again from its makers; see --splits-format.",
    )
