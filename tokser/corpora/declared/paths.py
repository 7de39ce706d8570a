"""Files of a corpus: listed once, and matched with paths that have wildcards, in any case."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tokser.errors import CorpusError

__all__ = ["Listing", "list_files", "matcher"]

_LEFT_OUT = frozenset({"__MACOSX"})


class Listing(NamedTuple):
    """The files of a folder."""

    paths: tuple[str, ...]
    """Relative to the folder, with `/`, in order."""
    is_whole: bool
    """Whether these are all of them."""

    def matching(self, patterns: Iterable[str], but: Iterable[str] = ()) -> list[str]:
        """Return the paths that match one of the patterns, and none of the others."""
        wanted, unwanted = matcher(patterns), matcher(but)
        return [path for path in self.paths if wanted(path) and not unwanted(path)]


def list_files(root: Path, *, most: int | None = None) -> Listing:
    """List all files below a folder; hidden ones and what macOS adds are left out.

    Links to folders are followed, each folder is visited once.

    Args:
        root: The folder.
        most: Stop there, and leave out folders that cannot be read; None: list all.

    Raises:
        CorpusError: A folder cannot be read, and all are to be listed.
    """
    found: list[str] = []
    visited: set[tuple[int, int]] = set()
    refuse = _refuse if most is None else None
    for folder, folders, names in os.walk(root, followlinks=True, onerror=refuse):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if _is_shown(name))
        here = Path(folder).relative_to(root).as_posix()
        prefix = "" if here == "." else f"{here}/"
        found += [prefix + name for name in names if _is_shown(name)]
        if most is not None and len(found) >= most:
            return Listing(tuple(sorted(found)), False)
    return Listing(tuple(sorted(found)), True)


def _refuse(error: OSError) -> None:
    raise CorpusError(
        error.filename,
        expected="a folder that can be read",
        got=str(error.strerror),
        remedy="Change its permissions, or leave it out of the corpus.",
    ) from error


def matcher(patterns: Iterable[str]) -> Callable[[str], object]:
    """Return what tells whether a path matches one of some patterns."""
    whole = "|".join(_expression(pattern) for pattern in patterns) or r"(?!)"
    return re.compile(whole, re.IGNORECASE).match


def _expression(pattern: str) -> str:
    r"""Write a path with wildcards as a regular expression: `**` is any number of folders."""
    parts: Sequence[str] = pattern.split("/")
    written = []
    for part in parts[:-1]:
        written.append(r"(?:[^/]+/)*" if part == "**" else f"{_name(part)}/")
    return f"(?:{''.join(written)}{_name(parts[-1])})\\Z"


def _name(part: str) -> str:
    """Write one name with wildcards as a regular expression that stays within it."""
    inner = fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z")
    return inner.replace(".*", "[^/]*") if "*" in part else inner


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name not in _LEFT_OUT
