"""Download of one file over HTTP, complete and checked, however often the connection breaks.

A transfer continues at the byte where it stopped, over any number of connections and processes.
Nothing that the server states about its file is trusted where a checksum was published.
"""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3

from tokser.errors import RunError
from tokser.progress import byte_bar, warn

__all__ = ["Patience", "check", "fetch", "partial_of"]

_CHUNK_BYTES = 2**20
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How often and how long a transfer waits for a server.

    Attributes:
        attempts: Failed connections in a row, without a new byte, before it gives up.
        wait_s: Pause before the second of them, doubled for each further one.
        longest_wait_s: Longest pause, even if the server asks for a longer one.
        connect_s: Longest wait for a connection.
        silence_s: Longest silence within a transfer.
    """

    attempts: int = 6
    wait_s: float = 1.0
    longest_wait_s: float = 60.0
    connect_s: float = 15.0
    silence_s: float = 60.0


class _BrokenError(Exception):
    """A connection ended before the file did; another may bring the rest."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def partial_of(path: Path) -> Path:
    """Return the file of an unfinished transfer."""
    return path.with_name(f"{path.name}.partial")


def fetch(
    url: str, path: Path, *, num_bytes: int, checksum: str, patience: Patience | None = None
) -> None:
    """Download a file to `path`; bytes that arrived earlier are not fetched again.

    Bytes are appended to `path` + `.partial`, which is kept after an error, and becomes `path` when
    the checksum is right. A file that is at `path` already is only checked.

    Args:
        url: Its address, `http` or `https`.
        path: The file, in an existing folder.
        num_bytes: Its size; without a checksum, the size that the server states is used.
        checksum: `sha256:...` or `md5:...`; "" if unknown.
        patience: How long to wait for the server.

    Raises:
        RunError: The server refuses, stops answering, or sends another file.
    """
    patience = patience or Patience()
    if not path.is_file():
        partial = partial_of(path)
        transfer = _Transfer(url, partial, num_bytes, trusted=bool(checksum), patience=patience)
        _persist(transfer, patience)
        transfer.forget()
        check(partial, checksum)
        partial.replace(path)
    else:
        check(path, checksum)


def check(path: Path, checksum: str) -> None:
    """Check a file against its checksum; a file that fails is removed.

    Raises:
        RunError: The checksum differs.
    """
    if not checksum:
        return
    kind, _, expected = checksum.partition(":")
    size = path.stat().st_size
    digest = hashlib.new(kind, usedforsecurity=False)
    with (
        byte_bar(f"Checking {path.name}", total=size) as count,
        path.open("rb") as file,
    ):
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            count(len(chunk))
    if digest.hexdigest() != expected:
        path.unlink()
        raise RunError(
            path,
            expected=f"{kind} {expected}",
            got=f"{digest.hexdigest()} of {size:,} bytes; the file was removed",
            remedy="Run the same command again, or name a mirror with `--mirror`.",
        )


def _persist(transfer: "_Transfer", patience: Patience) -> None:
    """Connect until the file is complete, or too many connections in a row failed."""
    failures, most = 0, transfer.size
    while not transfer.is_whole:
        try:
            transfer.connect()
            continue
        except _BrokenError as error:
            broken = error
        failures = 0 if transfer.size > most else failures + 1
        most = max(most, transfer.size)
        if failures >= patience.attempts:
            raise RunError(
                transfer.url,
                expected=f"the rest of a file of {transfer.total:,} bytes",
                got=f"{broken}, {failures} times; {transfer.size:,} bytes are kept",
                remedy="Check the network (and HTTPS_PROXY), then run the same command again; or "
                "name a mirror with `--mirror`.",
            )
        wait_s = max(broken.wait_s, patience.wait_s * 2 ** max(0, failures - 1))
        wait_s = min(wait_s, patience.longest_wait_s)
        warn(f"{transfer.url}: {broken}; retrying in {wait_s:.0f} s")
        time.sleep(wait_s)


class _Transfer:
    """The state of one file's transfer, which is kept on disk."""

    def __init__(
        self, url: str, partial: Path, num_bytes: int, *, trusted: bool, patience: Patience
    ) -> None:
        self.url, self.total = url, num_bytes
        self._partial, self._trusted, self._patience = partial, trusted, patience
        self._validator = partial.with_name(f"{partial.name}.version")
        self._ended = False

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._partial.stat().st_size if self._partial.is_file() else 0

    @property
    def is_whole(self) -> bool:
        """Whether no byte is missing; without a checksum, by what the server states."""
        return self._ended or (self._trusted and self.size == self.total)

    def forget(self) -> None:
        """Remove files that are needed during the transfer only."""
        self._validator.unlink(missing_ok=True)

    def connect(self) -> None:
        """Request the missing bytes and write them.

        Raises:
            RunError: The server refuses for good, or sends more than the file holds.
            _BrokenError: It ended early.
        """
        start = self.size
        if self._trusted and start > self.total:
            self._start_anew()
            start = 0
        with self._ask(start) as response:
            if response.status_code == 416:
                self._settle(response, start)
                return
            self._refuse_failure(response)
            if response.status_code == 206:
                self._check_place(response, start)
            else:  # the server ignores ranges, or its file is another one now
                self._start_anew()
                start = 0
            self._learn(response, start)
            self._write(response, start)

    @contextlib.contextmanager
    def _ask(self, start: int) -> Iterator[requests.Response]:
        # The file as it is: a server must not pack it once more on the way.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if self._validator.is_file():
                headers["If-Range"] = self._validator.read_text(encoding="latin-1")
        timeout = (self._patience.connect_s, self._patience.silence_s)
        try:
            response = requests.get(self.url, headers=headers, stream=True, timeout=timeout)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _BrokenError(_reason(error)) from error
        except requests.RequestException as error:
            raise RunError(
                self.url,
                expected="an address that answers",
                got=str(error),
                remedy="Correct the address that `--mirror` names.",
            ) from error
        with response:
            yield response

    def _refuse_failure(self, response: requests.Response) -> None:
        status = response.status_code
        if status in (200, 206):
            return
        got = f"HTTP {status} ({response.reason})"
        if status in _TRANSIENT:
            after = response.headers.get("Retry-After", "")
            raise _BrokenError(got, float(after) if after.isdigit() else 0.0)
        raise RunError(
            self.url,
            expected="the archive",
            got=got,
            remedy="Name a mirror with `--mirror`, or fetch the file in another way.",
        )

    def _settle(self, response: requests.Response, start: int) -> None:
        """Handle "no such range": the file is complete, or the bytes on disk are of another one."""
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if self._trusted and total.isdigit() and int(total) != self.total:
            raise self._other_size(f"one of {int(total):,}")
        if start and total == str(start):
            self._ended = True
            return
        self._start_anew()
        raise _BrokenError("no such range of its file; it is fetched from the start")

    def _check_place(self, response: requests.Response, start: int) -> None:
        said = response.headers.get("Content-Range", "")
        if not said.startswith(f"bytes {start}-"):
            raise _BrokenError(f"bytes from another position ({said!r} instead of {start}-)")

    def _learn(self, response: requests.Response, start: int) -> None:
        """Record the file's version, and without a checksum its size."""
        version = response.headers.get("ETag", "")
        if version.startswith("W/") or not version:
            version = response.headers.get("Last-Modified", "")
        if version:
            self._validator.write_text(version, encoding="latin-1")
        length = response.headers.get("Content-Length", "")
        if not self._trusted and length.isdigit():
            self.total = start + int(length)

    def _write(self, response: requests.Response, start: int) -> None:
        name = self._partial.name.removesuffix(".partial")
        with (
            byte_bar(f"Fetching {name}", total=self.total, done=start) as count,
            self._partial.open("ab") as file,
        ):
            size = start
            for chunk in _chunks(response):
                file.write(chunk)
                size += len(chunk)
                count(len(chunk))
                if self._trusted and size > self.total:
                    break
        if self._trusted and size > self.total:
            self._start_anew()
            raise self._other_size("a longer one")
        if self._trusted and size < self.total:
            raise _BrokenError(f"the connection ended after {size:,} of {self.total:,} bytes")
        self._ended = True

    def _other_size(self, got: str) -> RunError:
        return RunError(
            self.url,
            expected=f"a file of {self.total:,} bytes",
            got=got,
            remedy="Name a mirror with `--mirror`, or fetch the file in another way.",
        )

    def _start_anew(self) -> None:
        self._partial.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives; only the network's faults become `_BrokenError`."""
    # raw, for iter_content would unpack a body that its server calls packed.
    stream = response.raw.stream(_CHUNK_BYTES, decode_content=False)
    while True:
        try:
            chunk = next(stream, b"")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _BrokenError(_reason(error)) from error
        if not chunk:
            return
        yield chunk


def _reason(error: BaseException) -> str:
    """Return the innermost error, without those that three libraries wrap around it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
