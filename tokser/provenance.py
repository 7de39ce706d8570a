"""Digests, versions, and the stamp that says what made an artefact."""

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tokser.errors import RunError, SettingsError
from tokser.file_locks import acquire
from tokser.redaction import redacted_values

__all__ = [
    "Stamp",
    "digest_of",
    "sha256_of_file",
    "sync_to_disk",
    "versions",
    "write_atomically",
]

STAMP_NAME = "provenance.json"
CLAIM_NAME = "begun.json"
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


def sha256_of_file(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees all of it or nothing of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_to_disk(path.parent)


def sync_to_disk(path: Path) -> None:
    """Force a file or a folder's entries from the system's cache down to the disk."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open a directory
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
            "scheduler",
            "cluster",
        }
    )
    """Settings that say where and how, not what; they may change without making the artefact
    another."""

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
        """Tell whether `folder` was finished by this very stage, settings and inputs."""
        path = folder / STAMP_NAME
        return path.is_file() and _digest_of_stamp(json.loads(path.read_text())) == self.digest

    @contextmanager
    def claim(self, folder: Path) -> Iterator[None]:
        """Begin an artefact in a new folder, or go on with one that this stamp began.

        Raises:
            SettingsError: The folder holds something else; nothing in it is changed.
            RunError: Another process is at work there, or the disk has no file locks.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder.resolve()}.lock")
        try:
            acquire(lock, 0, remedy="Name a folder with --out on a disk that has them.")
        except Timeout as error:
            raise RunError(
                folder,
                expected=f"no other {self.content['stage']} at work there",
                got="one that holds its lock",
                remedy="Wait until it is done, or name another folder with --out.",
            ) from error
        try:
            self._begin(folder)
            yield
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _begin(self, folder: Path) -> None:
        file = folder / CLAIM_NAME
        if file.is_file():
            begun = json.loads(file.read_text())
            if _digest_of_stamp(begun) == self.digest:
                return
            got = f"one begun otherwise ({_differences(begun, self.content)})"
        elif folder.is_dir() and any(folder.iterdir()):
            got = "one that holds other things"
        else:
            write_atomically(file, _canonical(self.content, indent=2).encode())
            return
        raise SettingsError(
            folder,
            expected=f"a new folder, or one that this {self.content['stage']} began",
            got=got,
            remedy="Name another folder with --out, or remove this one.",
        )

    def write(self, folder: Path) -> None:
        """Mark `folder` as done; call it when everything else is on disk."""
        text = _canonical(self.content | {"versions": versions()}, indent=2)
        write_atomically(folder / STAMP_NAME, text.encode())


def _differences(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name what two stamps differ in: `learning_rate 0.1, now 0.01`."""
    found = []
    for part in ("settings", "inputs"):
        old, new = begun.get(part, {}), now[part]
        for key in sorted(old.keys() | new.keys()):
            if key not in Stamp.PLACES and digest_of(old.get(key)) != digest_of(new.get(key)):
                found.append(f"{key} {_short(old.get(key))}, now {_short(new.get(key))}")
    return "; ".join(found) or f"stage {begun.get('stage')}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _digest_of_stamp(content: Mapping[str, Any]) -> str:
    settings = {k: v for k, v in content["settings"].items() if k not in Stamp.PLACES}
    return digest_of([content["stage"], settings, content["inputs"]])


def _canonical(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str, indent=indent)
