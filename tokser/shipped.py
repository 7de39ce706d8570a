"""Files that come with tokser: pipelines and what is known about the corpora."""

from pathlib import Path

from tokser.errors import MissingInputError

__all__ = ["shipped_file", "shipped_names"]

_HERE = Path(__file__).resolve().parent
_ROOTS = (_HERE / "_shipped", _HERE.parent)
"""An installed wheel carries them within; a checkout has them beside the package."""


def shipped_file(folder: str, name: str) -> Path:
    """Return the path of a shipped file.

    Args:
        folder: `pipelines` or `data_manifests`.
        name: Name of the file in it.

    Raises:
        MissingInputError: The installation lacks it.
    """
    for root in _ROOTS:
        found = root / folder / name
        if found.is_file():
            return found
    raise MissingInputError(
        f"{folder}/{name}",
        expected="a file that comes with tokser",
        got="none",
        remedy="Install tokser again.",
    )


def shipped_names(folder: str) -> list[str]:
    """Return the names of the shipped files of a folder, in alphabetical order."""
    for root in _ROOTS:
        if (root / folder).is_dir():
            return sorted(path.name for path in (root / folder).iterdir() if path.is_file())
    return []
