"""Folders of a corpus: its files by their suffixes, in any case, and the ignored ones."""

from collections.abc import Iterable
from pathlib import Path

from tokser.errors import list_some
from tokser.progress import warn

__all__ = ["ends_with", "report_ignored_files", "visible_files"]


def visible_files(folder: Path) -> list[Path]:
    """List the files of a folder in order, hidden ones left out; none if there is no folder."""
    if not folder.is_dir():
        return []
    paths = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in paths if path.is_file())


def ends_with(path: Path, end: str) -> bool:
    """Return whether a file's name ends with `end`, in any case."""
    return path.name.lower().endswith(end)


def report_ignored_files(where: Path, paths: Iterable[Path], wanted: str) -> None:
    """Print which files are ignored because they do not match a corpus's pattern."""
    names = sorted(path.name for path in paths)
    if names:
        files = "1 file that is" if len(names) == 1 else f"{len(names):,} files that are"
        warn(f"{where}: ignoring {files} not {wanted}: {list_some(names)}")
