"""What other packages register with tokser by entry points: encoders and corpora.

A package that cannot be loaded breaks nothing: whoever asks for it by name gets an error that
names the package, `tokser encoders`, `tokser corpora` and `tokser doctor` say what is wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from tokser.errors import MissingPackageError, SettingsError

__all__ = ["CORPORA", "ENCODERS", "Plugin", "find_plugin", "plugins"]

ENCODERS, CORPORA = "tokser.encoders", "tokser.corpora"
"""Groups of entry points."""
_MOST_LETTERS = 200


@dataclass(frozen=True)
class Plugin:
    """One entry point of another package.

    Attributes:
        group: `tokser.encoders` or `tokser.corpora`.
        name: Name of the entry point.
        value: What it names, `package.module:attribute`.
        package: Package that registers it, with its version.
    """

    group: str
    name: str
    value: str
    package: str

    def load(self) -> Any:
        """Import what the entry point names.

        Raises:
            MissingPackageError: It cannot be imported, for whatever reason.
        """
        try:
            return metadata.EntryPoint(self.name, self.value, self.group).load()
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            raise self.fault(error) from error

    def fault(self, error: BaseException) -> MissingPackageError:
        """Return the error that names the package and what went wrong in it."""
        text = " ".join(str(error).split())[:_MOST_LETTERS]
        return MissingPackageError(
            f"{self.name}, registered by {self.package}",
            expected=f"{self.value} that can be imported and used",
            got=f"{type(error).__name__}: {text}" if text else type(error).__name__,
            remedy=f"Update or uninstall {self.package.partition(' ')[0]}, or ask its authors.",
        )


def plugins(group: str) -> list[Plugin]:
    """Return what other packages register, by name; nothing of them is imported.

    Args:
        group: `tokser.encoders` or `tokser.corpora`.
    """
    found = [
        Plugin(group, one.name, one.value, _package(one))
        for one in metadata.entry_points(group=group)
    ]
    return sorted(dict.fromkeys(found), key=lambda one: (one.name, one.package))


def find_plugin(group: str, name: str) -> Plugin | None:
    """Return what is registered under a name, or None.

    Raises:
        SettingsError: Two packages register it.
    """
    found = [one for one in plugins(group) if one.name == name]
    if len(found) > 1:
        raise SettingsError(
            name,
            expected="a name that one package registers",
            got=_listed(one.package for one in found),
            remedy="Uninstall one of them.",
        )
    return found[0] if found else None


def _package(entry_point: metadata.EntryPoint) -> str:
    about = entry_point.dist
    return f"{about.name} {about.version}" if about else "an unknown package"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
