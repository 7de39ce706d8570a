"""Where packages are pushed to and pulled from: the hub, a bucket, or a folder."""

import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from tokser.checksum_index import INDEX, ChecksumIndex
from tokser.durable import sha256_of_file, write_atomically
from tokser.hub import SCHEME, HubRepository
from tokser.store import is_remote
from tokser.store.remote_objects import RemoteObjects

__all__ = ["PROGRESS", "Content", "Place", "place_at"]

Content = Path | bytes
"""What a file holds: another file, or bytes."""

PROGRESS = "SHA256SUMS.partial"
"""What an interrupted push to a bucket or folder has uploaded; removed when it is done."""

_NOTED_EVERY_BYTES = 256 * 2**20
_NOTED_EVERY_FILES = 64


class Place(Protocol):
    """Somewhere that files are shared, by keys with forward slashes."""

    address: str

    def prepare(self) -> None:
        """Make the place, if it is not there and can be made."""

    def read(self, key: str) -> bytes | None:
        """Read a small file, None if there is none."""

    def fetch(self, key: str, folder: Path) -> None:
        """Write a file to `folder/KEY`, whole or not at all."""

    def upload(
        self, files: Mapping[str, Content], digests: Mapping[str, str], delete: Iterable[str]
    ) -> Iterator[str]:
        """Upload files, `SHA256SUMS` last, then delete some; the same call resumes.

        Args:
            files: Content by key.
            digests: sha256 (hex) of the large ones, which are not sent where they are already.
            delete: Keys of an earlier package that the new one lacks.

        Yields:
            Key of each file that is there.
        """


def place_at(address: str) -> Place:
    """Return the place of an address; `SettingsError` if it is none."""
    if address.startswith(SCHEME):
        return _Hub(address)
    if is_remote(address):
        return _Bucket(address)
    return _Folder(address)


class _Hub:
    """A repository of the hub; what is pushed shows at once, as one commit."""

    def __init__(self, address: str) -> None:
        self._repository = HubRepository(address)
        self.address = self._repository.address

    def prepare(self) -> None:
        self._repository.create()

    def read(self, key: str) -> bytes | None:
        path = self._repository.cached(key)
        return None if path is None else path.read_bytes()

    def fetch(self, key: str, folder: Path) -> None:
        self._repository.download(key, folder)

    def upload(
        self, files: Mapping[str, Content], digests: Mapping[str, str], delete: Iterable[str]
    ) -> Iterator[str]:
        yield from self._repository.upload(files, delete=delete, message="Push by tokser")


class _Bucket:
    """A folder of a bucket: `s3://`, `gs://`, `az://`; web addresses can be pulled from."""

    def __init__(self, address: str) -> None:
        self._objects = RemoteObjects(address)
        self.address = self._objects.address

    def prepare(self) -> None:
        """Do nothing: buckets are made by their owners."""

    def read(self, key: str) -> bytes | None:
        return self._objects.get(key)

    def fetch(self, key: str, folder: Path) -> None:
        content = self._objects.get(key)
        if content is None:
            raise FileNotFoundError(f"{self.address}/{key}")
        write_atomically(folder / key, content)

    def upload(
        self, files: Mapping[str, Content], digests: Mapping[str, str], delete: Iterable[str]
    ) -> Iterator[str]:
        there = self._there()
        sent = {key: digest for key, digest in digests.items() if there.get(key) == digest}
        waiting_bytes = waiting_files = 0
        self._note(sent)
        for key, content in files.items():
            if key in sent:
                yield key
                continue
            data = content if isinstance(content, bytes) else content.read_bytes()
            self._objects.put(key, [data])
            yield key
            if key not in digests:
                continue
            sent[key] = digests[key]
            waiting_bytes, waiting_files = waiting_bytes + len(data), waiting_files + 1
            if waiting_bytes > _NOTED_EVERY_BYTES or waiting_files >= _NOTED_EVERY_FILES:
                self._note(sent)
                waiting_bytes = waiting_files = 0
        for key in delete:
            self._objects.delete(key)
        self._objects.delete(PROGRESS)

    def _there(self) -> dict[str, str]:
        """Digests of what an earlier push, finished or not, left here."""
        there: dict[str, str] = {}
        for name in (INDEX, PROGRESS):
            there |= _digests(self._objects.get(name))
        return there

    def _note(self, sent: Mapping[str, str]) -> None:
        index = ChecksumIndex("", {key: (digest,) for key, digest in sent.items()})
        self._objects.put(PROGRESS, [index.to_bytes()])


class _Folder:
    """A folder of this machine, or one that is mounted here."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._folder = Path(address)

    def prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def read(self, key: str) -> bytes | None:
        path = self._folder / key
        return path.read_bytes() if path.is_file() else None

    def fetch(self, key: str, folder: Path) -> None:
        _copy(self._folder / key, folder / key)

    def upload(
        self, files: Mapping[str, Content], digests: Mapping[str, str], delete: Iterable[str]
    ) -> Iterator[str]:
        write_atomically(self._folder / PROGRESS, ChecksumIndex("", {}).to_bytes())
        for key, content in files.items():
            path = self._folder / key
            if isinstance(content, bytes):
                write_atomically(path, content)
            elif not (path.is_file() and sha256_of_file(path) == digests.get(key)):
                _copy(content, path)
            yield key
        for key in delete:
            (self._folder / key).unlink(missing_ok=True)
        (self._folder / PROGRESS).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)
    partial.replace(target)


def _digests(content: bytes | None) -> dict[str, str]:
    try:
        index = ChecksumIndex.from_bytes(content or b"")
    except ValueError:  # a push that never got this far, or one that was cut off
        return {}
    return {key: digests[0] for key, digests in index.digests.items() if len(digests) == 1}
