"""Files with one JSON object a line, packed with gzip or not."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokser.errors import ManifestError, list_some

__all__ = ["read_json_lines"]


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where each object stands, and the object.

    Raises:
        ManifestError: Lines are no JSON objects; all are named.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode(
            "utf-8-sig"
        )
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise _malformed(path, [str(error)]) from error
    found, faults = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            faults.append(f"line {number}: {getattr(error, 'msg', error)}")
            continue
        if isinstance(value, dict):
            found.append((f"{path.name} line {number}", value))
        else:
            faults.append(f"line {number}: {type(value).__name__} instead of an object")
    if not found and not faults:
        faults = ["no lines"]
    if faults:
        raise _malformed(path, faults)
    yield from found


def _malformed(path: Path, faults: list[str]) -> ManifestError:
    return ManifestError(
        path,
        expected="a JSON object on each line",
        got=list_some(faults, most=20),
        remedy="Write the file again with the tool that made it.",
    )
