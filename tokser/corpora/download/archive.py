"""Safe unpacking of archives: nothing is written outside their folder."""

import errno
import gzip
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tokser.errors import CorpusError, list_some
from tokser.progress import byte_bar

__all__ = ["fault_of_name", "unpack"]

_CHUNK_BYTES = 2**20
_MOST_SWELLING = 20
"""Audio does not shrink to a twentieth: what swells more than that is meant to fill the disk."""
_SLACK_BYTES = 64 * 2**20
_DRIVE = re.compile(r"[A-Za-z]:")
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error),
    *(lzma.LZMAError, struct.error, NotImplementedError, ValueError),
)
"""What the readers of archives raise on bytes that make no sense."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a `.zip` or `.tar.gz` into a new folder.

    Only folders and plain files are written, with the permissions of this process. Links, devices,
    and names that lead out of the folder are refused. If anything is refused, the folder is
    removed again.

    Raises:
        CorpusError: The archive is damaged, or has members that are refused; all are named.
    """
    folder.mkdir(parents=True)
    try:
        members = _zip_members if archive.suffix == ".zip" else _tar_members
        refused = _write_all(members(archive), archive, folder)
    except BaseException as error:
        shutil.rmtree(folder)
        if _means_damage(error):
            raise CorpusError(
                archive,
                expected="a complete archive",
                got=f"an archive that cannot be read ({error or type(error).__name__})",
                remedy="Remove it, then run the same command again.",
            ) from error
        raise
    if refused:
        shutil.rmtree(folder)
        raise CorpusError(
            archive,
            expected="only files and folders inside the archive's own folder",
            got=list_some(refused, most=10),
            remedy="Do not trust this archive; fetch it from the corpus's own site.",
        )


def _means_damage(error: BaseException) -> bool:
    if isinstance(error, OSError):  # of a decoder, or of a seek to where the archive points
        return error.errno in (None, errno.EINVAL)
    return isinstance(error, _DAMAGE)


def fault_of_name(name: str) -> str:
    """Return why a member's name must not be unpacked; "" if it may.

    Args:
        name: As it stands in the archive, with `/` between its parts.
    """
    if not name or "\0" in name or "\\" in name:
        return "not a file name"
    if name.startswith("/") or _DRIVE.match(name):
        return "an absolute path"
    if ".." in PurePosixPath(name).parts:
        return "a path out of the folder"
    return ""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    kind: str  # "folder", "file", or what it is instead
    content: IO[bytes] | None
    position: int  # bytes of the archive read so far


def _write_all(members: Iterator[_Member], archive: Path, folder: Path) -> list[str]:
    """Write what is safe, and return what is not."""
    size = archive.stat().st_size
    most = _MOST_SWELLING * size + _SLACK_BYTES
    written = position = 0
    refused = []
    with byte_bar(f"Unpacking {archive.name}", total=size) as count:
        for member in members:
            reached = min(max(position, member.position), size)
            count(reached - position)
            position = reached
            fault = fault_of_name(member.name) or _fault_of_kind(member.kind)
            if fault:
                refused.append(f"{member.name!r}: {fault}")
                continue
            try:
                written += _write(member, folder, most - written)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                refused.append(f"{member.name!r}: twice")
            except OverflowError:
                refused.append(f"{member.name!r}: more than {_MOST_SWELLING} times the archive")
                break
        count(size - position)
    return refused


def _fault_of_kind(kind: str) -> str:
    return "" if kind in ("file", "folder") else kind


def _write(member: _Member, folder: Path, most: int) -> int:
    """Write a member and return its bytes; `OverflowError` beyond `most`."""
    path = folder.joinpath(*PurePosixPath(member.name).parts)
    if member.content is None:
        path.mkdir(parents=True, exist_ok=True)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.content as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > most:
                raise OverflowError
            target.write(chunk)
    return written


def _tar_members(archive: Path) -> Iterator[_Member]:
    with (
        archive.open("rb") as packed,
        gzip.open(packed) as plain,
        tarfile.open(fileobj=plain, mode="r|") as tar,
    ):
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # 150,000 of them would be kept
            yield _Member(
                member.name,
                _kind_in_tar(member),
                tar.extractfile(member) if member.isfile() else None,
                packed.tell(),
            )
        while plain.read(_CHUNK_BYTES):  # to the end, where gzip's own checksum stands
            pass


def _kind_in_tar(member: tarfile.TarInfo) -> str:
    if member.isfile():
        return "file"
    if member.isdir():
        return "folder"
    if member.issym() or member.islnk():
        return f"a link to {member.linkname!r}"
    return "a device or pipe"


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        position = 0
        for member in file.infolist():
            position += member.compress_size
            kind = _kind_in_zip(member)
            content = file.open(member) if kind == "file" else None
            # orig_filename: zipfile itself would cut at a NUL and turn separators round.
            yield _Member(member.orig_filename, kind, content, position)


def _kind_in_zip(member: zipfile.ZipInfo) -> str:
    mode = member.external_attr >> 16
    if member.flag_bits & 0x1:
        return "encrypted"
    if member.is_dir():
        return "folder"
    if stat.S_IFMT(mode) in (0, stat.S_IFREG):  # 0: packed where there are no modes
        return "file"
    return "a link" if stat.S_ISLNK(mode) else "a device or pipe"
