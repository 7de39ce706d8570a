"""Folders of a corpus: its files by their ends, in capitals or not, and what lies beside them."""

from collections.abc import Iterable
from pathlib import Path

from tokser.errors import list_some
from tokser.progress import say

__all__ = ["ends_with", "tell_others", "visible_files"]


def visible_files(folder: Path) -> list[Path]:
    """List the files of a folder in order, hidden ones left out; none if there is no folder."""
    if not folder.is_dir():
        return []
    paths = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in paths if path.is_file())


def ends_with(path: Path, end: str) -> bool:
    """Tell whether a file's name ends so, in capitals or not."""
    return path.name.lower().endswith(end)


def tell_others(where: Path, paths: Iterable[Path], wanted: str) -> None:
    """Say which files are left out because they are not of a corpus's pattern."""
    names = sorted(path.name for path in paths)
    if names:
        files = "1 file is" if len(names) == 1 else f"{len(names):,} files are"
        say(f"{where}: {files} not {wanted}, and left out: {list_some(names)}")
