"""Names that become keys of a store, files or folders: checked before anything is written."""

from typing import Self

from tokser.errors import SettingsError

__all__ = ["MOST_BYTES", "RESERVED", "Name", "is_safe_key"]

MOST_BYTES = 200
"""Of a name in UTF-8: file systems take 255, and suffixes and shard numbers come on top."""

RESERVED = frozenset(
    {
        "functionals",
        "ids",
        "manifest",
        "store.json",
        "utterances.h5",
        "versions",
        "zarr.json",
    }
)
"""What lies at a store's root under names of its own, whatever the case of their letters."""

_SEPARATORS = "/\\@"
"""Parts of keys; `@` comes before the functional in `layer-3@max`."""


class Name(str):
    """The name of a group, a run, a corpus: one part of a key or path, on every machine.

    `Name.of` checks it; what is a `Name` was checked.
    """

    __slots__ = ()

    @classmethod
    def of(cls, text: str, where: object) -> Self:
        r"""Return the text as a name.

        Args:
            text: What an option, a file, a checkpoint or a store says.
            where: What the user would look at to correct it.

        Raises:
            SettingsError: It is empty, too long, reserved, begins with a dot, or holds `/`, `\`,
                `@`, control characters, or space at an end.
        """
        fault = _fault(text)
        if fault:
            raise SettingsError(
                where,
                expected="a name that can be part of a path and that stores do not use themselves",
                got=f"{_shown(text)}, {fault}",
                remedy="Rename the folder or file it comes from; nothing was written.",
            )
        return cls(text)


def is_safe_key(key: str) -> bool:
    """Tell whether a key from a document stays inside the store: parts with slashes between."""
    return all(
        part not in ("", ".", "..") and "\\" not in part and part.isprintable()
        for part in key.split("/")
    )


def _fault(text: str) -> str:
    """Say what is wrong with a name; empty if nothing is."""
    if not text:
        return "which is empty"
    if text.startswith("."):
        return "which begins with a dot"
    if text != text.strip():
        return "which begins or ends with space"
    if text.casefold() in RESERVED:
        return "which stores use themselves"
    if text.endswith(".partial"):
        return "which ends as unfinished files do"
    found = [repr(sign) for sign in _SEPARATORS if sign in text]
    if found:
        return f"which holds {' and '.join(found)}"
    if not text.isprintable():  # control characters, line ends, half of a surrogate pair
        return "which holds characters that cannot be printed"
    if len(text.encode()) > MOST_BYTES:
        return f"which has {len(text.encode())} bytes, more than {MOST_BYTES}"
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
