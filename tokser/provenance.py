"""Digests, versions, and the stamp that says what made an artefact."""

import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokser.checksummed_folder import INDEX, ChecksummedFolder
from tokser.durable import sha256_of_file, sync_to_disk, write_atomically
from tokser.errors import DamagedFileError, RunError, SettingsError
from tokser.progress import warn
from tokser.redaction import redacted_values

__all__ = [
    "COLUMNS",
    "IMPORTED",
    "OF_THE_FILE",
    "STAMP_NAME",
    "UTTERANCE_LEVEL",
    "Stamp",
    "digest_of",
    "first_spelling",
    "flattened",
    "sha256_of_file",
    "sync_to_disk",
    "versions",
    "without_later",
    "write_atomically",
]

STAMP_NAME = "provenance.json"
CLAIM_NAME = "begun.json"
COLUMNS = "columns"
"""Key of what made a group: names of the columns of its features, by feature."""
IMPORTED = "imported"
"""Value of `model_type` where features were computed elsewhere, and taken in from a file."""
OF_THE_FILE = ("file", "file_sha256")
"""Keys of what made imported features that differ from corpus to corpus."""
UTTERANCE_LEVEL = "utterance_level"
"""Key of what made a group: its features that have one row for each utterance."""
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_FIRST_SPELLINGS = {"protocols": {"random": "report"}, "variant": {"paper": "report"}}
"""Values of settings that were renamed, by setting: digests keep their first spelling, so that
folders and ledgers of earlier versions are still known as what they are."""
_FIRST_NAMES = {"global_queries": "seeds"}
"""Names of settings that were renamed, likewise."""
_MOST = 8
"""Differences between two stamps that a message names."""
_PACKAGES = (
    "tokser",
    "torch",
    "torchaudio",
    "transformers",
    "zarr",
    "h5py",
    "numpy",
    "scikit-learn",
)


def digest_of(value: Any) -> str:
    """Return the sha256 (hex) of a JSON-serialisable value, independent of key order."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def without_later(settings: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out settings that earlier versions had not, where they change nothing.

    So an artefact of an earlier version is recognised by its stamp.

    Args:
        settings: Of the call.
        later: Each later setting with the value that does what earlier versions did.
    """
    return {key: value for key, value in settings.items() if (key, value) not in later.items()}


def first_spelling(setting: str, value: Any) -> Any:
    """Return a setting's value, or several, as it was spelled when its first digest was taken.

    Of a mapping, such as a provenance, this holds for everything in it.
    """
    if isinstance(value, Mapping):
        return {_FIRST_NAMES.get(k, k): first_spelling(k, inner) for k, inner in value.items()}
    return _respelled(value, _FIRST_SPELLINGS.get(setting, {}))


def _current_spelling(setting: str, value: Any) -> Any:
    return _respelled(value, {a: b for b, a in _FIRST_SPELLINGS.get(setting, {}).items()})


def _respelled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list | tuple):
        return [_respelled(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    from importlib import metadata  # slow to import, and no reader of a store needs it

    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


class Stamp:
    """What made an artefact: stage, settings, inputs. Written last, it marks the artefact done.

    Args:
        stage: Name of the stage, for instance `"pretrain"`.
        settings: The resolved settings; secrets in addresses are left out.
        inputs: Identities (digests) of everything that was read.
    """

    PLACES = frozenset(
        {
            "store",
            "out",
            "device",
            "preload",
            "save_steps",
            "resume",
            "track",
            "ledger",
            "check",
            "scheduler",
            "cluster",
            "encoder",
            "text_encoder",
            "frames_mb",
            "save_models",
            "by",
            "age_bands",
        }
    )
    """Settings that say where and how, not what, or how results are told; they may change without
    making the artefact another."""

    def __init__(self, stage: str, settings: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        self.content: dict[str, Any] = {
            "stage": stage,
            "settings": redacted_values(dict(settings)),
            "inputs": redacted_values(dict(inputs)),
        }

    @property
    def digest(self) -> str:
        """Digest of what decides the artefact."""
        return _digest_of_stamp(self.content)

    def marks(self, folder: Path) -> bool:
        """Return whether this very stage, with these settings and inputs, completed `folder`.

        Every file that the index lists must be as it was written; damaged files are named, and
        the folder does not count as finished.
        """
        if not ChecksummedFolder(folder).has_checksums:
            stamp = _read(folder / STAMP_NAME)
            is_mine = stamp is not None and _digest_of_stamp(stamp) == self.digest
            if is_mine and (folder / CLAIM_NAME).is_file():
                warn(f"{folder}: written by an earlier version without {INDEX}: not checked")
            return is_mine
        return self._is_whole(ChecksummedFolder(folder))

    def _is_whole(self, checksummed: ChecksummedFolder) -> bool:
        try:
            is_done = STAMP_NAME in checksummed.listed()
            if not is_done or checksummed.made_of != self.digest:
                return False
            faults = checksummed.faults()
        except DamagedFileError:
            return False  # reported where the index begins again
        for name, fault in faults.items():
            warn(f"{checksummed.folder / name} {fault}: it is made again")
        return not faults

    def agrees(self, folder: Path, names: Sequence[str]) -> bool:
        """Return whether a finished folder was made with the same values of some settings."""
        stamp = _read(folder / STAMP_NAME)
        if stamp is None:
            return False
        now = self.content["settings"]
        return all(digest_of(stamp["settings"].get(n)) == digest_of(now.get(n)) for n in names)

    def require_own(self, folder: Path) -> None:
        """Raise `SettingsError` if a folder holds something else than what this stamp began."""
        got = self._foreign(folder)
        if got:
            raise SettingsError(
                folder,
                expected=f"a new folder, or one that this {self.content['stage']} began",
                got=got,
                remedy="Name another folder with --out, or remove this one.",
            )

    @contextmanager
    def claim(self, folder: Path) -> Iterator[None]:
        """Begin an artefact in a new folder, or resume one that this stamp began.

        Raises:
            SettingsError: The folder holds something else; nothing in it is changed.
            RunError: Another process writes there, or the disk has no file locks.
        """
        from filelock import FileLock, Timeout  # readers need no lock

        from tokser.file_locks import acquire

        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder.resolve()}.lock")
        try:
            acquire(lock, 0, remedy="Name a folder with --out on a disk that has them.")
        except Timeout as error:
            raise RunError(
                folder,
                expected=f"no other {self.content['stage']} that writes there",
                got="one that has its lock",
                remedy="Wait until it is done, or name another folder with --out.",
            ) from error
        try:
            self._begin(folder)
            yield
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _begin(self, folder: Path) -> None:
        self.require_own(folder)
        checksummed = ChecksummedFolder(folder)
        if checksummed.made_of != self.digest:
            if checksummed.has_checksums:
                warn(f"{folder / INDEX} is damaged or gone: the folder's files are made again")
            checksummed.begin(self.digest)
        if not checksummed.is_whole(CLAIM_NAME):
            text = _canonical(self.content | {"checksums": INDEX}, indent=2)
            checksummed.put({CLAIM_NAME: text.encode()})

    def _foreign(self, folder: Path) -> str:
        """Return what a folder has that this stamp did not begin; empty if it may write there."""
        made_of = ChecksummedFolder(folder).made_of
        if made_of == self.digest:
            return ""
        begun = _read(folder / CLAIM_NAME)
        if begun is not None:
            if not made_of and _digest_of_stamp(begun) == self.digest:
                return ""
            return f"one begun otherwise ({_differences(begun, self.content)})"
        if (folder / CLAIM_NAME).exists():
            return f"one whose {CLAIM_NAME} is damaged"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        is_used = not all(name.endswith(".partial") for name in names)  # what a kill left
        return "one that holds other things" if is_used else ""

    def write(self, folder: Path) -> None:
        """Mark `folder` as done; call it when everything else is on disk."""
        text = _canonical(self.content | {"versions": versions()}, indent=2).encode()
        if ChecksummedFolder(folder).has_checksums:
            ChecksummedFolder(folder).put({STAMP_NAME: text})
        else:
            write_atomically(folder / STAMP_NAME, text)


def _read(file: Path) -> dict[str, Any] | None:
    """Read a stamp; None where there is none, or it is damaged."""
    try:
        content = json.loads(file.read_bytes())
        _digest_of_stamp(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    return dict(content)


def _differences(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name what two stamps differ in, and nothing else: `grid.learning_rate 0.1, now 0.01`."""
    found = []
    for part in ("settings", "inputs"):
        old, new = (
            flattened(
                {
                    key: _current_spelling(key, value)
                    for key, value in of.get(part, {}).items()
                    if key not in Stamp.PLACES
                }
            )
            for of in (begun, now)
        )
        for key in sorted(old.keys() | new.keys()):
            if digest_of(old.get(key)) != digest_of(new.get(key)):
                found.append(f"{key} {_short(old.get(key))}, now {_short(new.get(key))}")
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + more or f"stage {begun.get('stage')}"


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Write nested mappings out under the paths of their values, for instance `grid.epochs`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, Mapping) and value
        found |= flattened(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return found


def _short(value: Any) -> str:
    text = _DIGEST.sub(r"\1...", str(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _digest_of_stamp(content: Mapping[str, Any]) -> str:
    settings = {
        key: first_spelling(key, value)
        for key, value in content["settings"].items()
        if key not in Stamp.PLACES
    }
    return digest_of([content["stage"], settings, content["inputs"]])


def _canonical(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str, indent=indent)
