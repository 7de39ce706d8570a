"""All faults of the inputs of a page, in one error."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tokser.checksummed_folder import INDEX, ChecksummedFolder
from tokser.errors import DamagedFileError, InputError, MissingInputError
from tokser.progress import warn

__all__ = ["Faults"]

_Content = TypeVar("_Content")


@dataclass
class Faults:
    """Collects the faults of the inputs, so that one error names all of them."""

    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    unchecked: set[Path] = field(default_factory=set)

    def read(self, path: Path, command: str, parse: Callable[[Path], _Content]) -> _Content | None:
        """Parse one file, or note why that failed and which command would make it."""
        try:
            self._require_whole(path)
            return parse(path)
        except FileNotFoundError:
            self.missing.append(f"{path} does not exist")
        except (DamagedFileError, InputError) as error:
            fault = f"{error.where}: expected {error.expected}, got {error.got}"
            if fault not in self.broken:
                self.broken.append(fault)
        except (ValueError, TypeError, OSError, RecursionError) as error:
            # Those of json, and of pandas, are children of ValueError or OSError.
            self.broken.append(f"{path}: {error}")
        self.commands.append(command)
        return None

    def _require_whole(self, path: Path) -> None:
        checksummed = ChecksummedFolder(path.parent)
        if checksummed.has_checksums:
            if path.exists() or path.name in checksummed.listed():
                checksummed.require_whole(path.name, remedy="")
        elif path.parent not in self.unchecked:
            self.unchecked.add(path.parent)
            if (path.parent / "begun.json").is_file():
                warn(f"{path.parent}: written by an earlier version without {INDEX}: not checked")

    def raise_if_any(self) -> None:
        """Raise one error that lists every fault, if there is one."""
        if not self.missing and not self.broken:
            return
        kind = InputError if self.broken else MissingInputError
        commands = ", ".join(f"`{command}`" for command in dict.fromkeys(self.commands))
        raise kind(
            "tokser report",
            expected="complete output folders of `tokser classify`, `regress`, `pretrain`, `probe`",
            got="; ".join([*self.missing, *self.broken]),
            remedy=f"Correct the paths, or make these folders again with {commands}.",
        )
