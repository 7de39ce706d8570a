"""Every error that tokser raises on purpose, and the exit code each one means."""

from collections.abc import Sequence
from typing import Any

from tokser.redaction import redacted

__all__ = [
    "AudioError",
    "CheckpointError",
    "CorpusError",
    "CorruptStoreError",
    "DamagedFileError",
    "InputError",
    "ManifestError",
    "MissingInputError",
    "MissingPackageError",
    "QuarantinedError",
    "RunError",
    "SettingsError",
    "StoreError",
    "StoreIncompleteError",
    "StoreLockedError",
    "StoreMismatchError",
    "StoreNotSealedError",
    "TokserError",
    "list_some",
    "shortened",
]


class TokserError(Exception):
    """An error that says where, what was expected, what was got, and what to do.

    Passwords and tokens of addresses do not get into it.

    Args:
        where: The file, option or utterance at fault.
        expected: What would have been right.
        got: What was found instead.
        remedy: One imperative sentence that says how to correct it.
    """

    exit_code = 1

    def __init__(self, where: object, *, expected: str, got: str, remedy: str) -> None:
        texts = [redacted(str(text)) for text in (where, expected, got, remedy)]
        self.where, self.expected, self.got, self.remedy = texts
        super().__init__(f"{self.where}: expected {self.expected}, got {self.got}. {self.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process sends its error by pickle, which knows no keyword arguments.
        return _again, (type(self), self.where, self.expected, self.got, self.remedy)

    def __str__(self) -> str:
        # KeyError, a base of some children, would print the repr of the message.
        return str(self.args[0])


def _again(
    kind: type[TokserError], where: str, expected: str, got: str, remedy: str
) -> TokserError:
    return kind(where, expected=expected, got=got, remedy=remedy)


class InputError(TokserError, ValueError):
    """The input or the call is wrong; nothing was changed."""

    exit_code = 2


class MissingInputError(InputError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class SettingsError(InputError):
    """A setting is unknown, of the wrong type, or out of range."""


class MissingPackageError(InputError, ImportError):
    """An optional package is needed and not installed, or does not fit the others."""


class CorpusError(InputError):
    """A folder is not the corpus it was said to be."""


class ManifestError(InputError):
    """A manifest is malformed, or names an utterance twice."""


class AudioError(InputError):
    """One recording cannot be used; its utterance goes to quarantine."""


class CheckpointError(InputError):
    """A model folder or a run lacks weights, or has others than the settings name."""


class RunError(TokserError, RuntimeError):
    """The run failed although its input was right."""


class DamagedFileError(TokserError, ValueError):
    """A file that tokser wrote is no longer what it was."""


class StoreError(TokserError):
    """Something is wrong with a store."""


class StoreMismatchError(StoreError, ValueError):
    """What is to be added or read does not belong to this store."""

    exit_code = 2


class StoreIncompleteError(StoreError):
    """A shard that is needed is not in the journal."""

    exit_code = 2


StoreNotSealedError = StoreIncompleteError
"""Its former name."""


class StoreLockedError(StoreError):
    """Another process is writing to the store."""


class CorruptStoreError(StoreError):
    """Bytes on disk do not match the journal."""


class QuarantinedError(StoreError, KeyError):
    """The utterance was quarantined at extraction, with a reason."""

    exit_code = 2


def shortened(text: str, most: int = 500) -> str:
    """Return a text that fits into a message: its beginning where it is long."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def list_some(names: Sequence[object], *, most: int = 5, num_all: int | None = None) -> str:
    """Join the first few names for a message, and count the rest.

    Args:
        names: All of them, or some.
        most: How many are shown.
        num_all: How many there are, where `names` are only some.
    """
    shown = names[:most]
    num_more = (len(names) if num_all is None else num_all) - len(shown)
    text = ", ".join(str(name) for name in shown)
    return f"{text} and {num_more} more" if num_more else text
