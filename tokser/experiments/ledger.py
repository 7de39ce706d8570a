"""Every evaluation of a test set, written down before anybody sees the score."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from tokser.errors import InputError
from tokser.experiments.evaluated import EvaluatedSets
from tokser.experiments.splits.protocols import Split
from tokser.file_locks import acquire
from tokser.progress import warn
from tokser.provenance import digest_of
from tokser.store.address import is_remote

__all__ = ["LEDGER", "Ledger", "shared_ledger"]

LEDGER = "ledger.jsonl"
_STORES = "stores"
"""Folder of a workspace that holds its stores."""


def shared_ledger(store: str, out: Path) -> Path:
    """Return the file in which all runs on a store write their test-set evaluations down.

    It is `ledger.jsonl` in the workspace: the folder that holds the store, or, where that one is
    called `stores`, the folder above. Where no file can be written there (the store is a URL, or
    belongs to somebody else), it lies beside `out`.

    Args:
        store: Path or URL.
        out: Folder of the results.
    """
    beside = out.absolute().parent / LEDGER
    if is_remote(store):
        return beside
    folder = Path(store).resolve().parent
    workspace = folder.parent if folder.name == _STORES else folder
    if os.access(workspace, os.W_OK | os.X_OK):
        return workspace / LEDGER
    warn(f"{workspace} cannot be written: test-set evaluations are counted in {beside}")
    return beside


class Ledger:
    """An append-only file of JSON lines, and a second one that other runs share.

    A line is an evaluation: when, of which test set (its digest), of what. In the shared file the
    first evaluation of each test set stands below a line with the set's ids, so that every run
    can tell how much of its own test sets others have evaluated.

    Args:
        path: The run's own file; made at the first evaluation.
        shared: The file of all runs.
        run: What tells this run from others: the digest of what it evaluates.
        former: What earlier versions called this run.
        earlier: Files that earlier versions shared; they are read, and stay as they are.

    Raises:
        InputError: A line of a shared file is no JSON object.
        RunError: The disk of the shared file has no file locks.
    """

    def __init__(
        self,
        path: Path,
        *,
        shared: Path | None = None,
        run: str = "",
        former: str = "",
        earlier: Sequence[Path] = (),
    ) -> None:
        self._path, self._shared, self._run = path, shared, run
        self._own, self._earlier = {run, former}, tuple(earlier)
        self._known, self._place, self._num_lines = EvaluatedSets(self._own), 0, 0
        self._inode: int | None = None
        self._with_ids: set[str] = set()  # test sets whose ids stand in the shared file
        if self._shared is not None:  # faults are told before anything is trained
            with _opened(self._shared) as file:
                self._catch_up(self._shared, file)

    def record(self, split: Split, **what: Any) -> None:
        """Write down one evaluation of the test part of `split`, down to the disk."""
        self.record_all([(split, what)])

    def record_all(self, evaluations: Sequence[tuple[Split, Mapping[str, Any]]]) -> None:
        """Write down evaluations of test parts, and what each is of, down to the disk.

        With a shared file a line also tells what other runs had evaluated before, see
        `EvaluatedSets.others`.
        """
        when = datetime.now(UTC).isoformat(timespec="seconds")
        entries = [
            {"when": when, "fold": split.fold, "test_digest": digest_of(sorted(split.test))}
            for split, _ in evaluations
        ]
        if self._shared is None:
            told = zip(entries, evaluations, strict=True)
            _append(self._path, b"".join(_line(entry | dict(what)) for entry, (_, what) in told))
            return
        own, shared = b"", b""
        with _opened(self._shared) as file:
            self._catch_up(self._shared, file)
            with_ids = set(self._with_ids)
            for entry, (split, what) in zip(entries, evaluations, strict=True):
                digest = entry["test_digest"]
                others = self._known.others(str(what.get("dataset", "")), digest, split.test)
                line = _line(entry | {"run": self._run} | others._asdict() | dict(what))
                if digest not in with_ids:
                    shared += _line({"test_digest": digest, "test_ids": sorted(split.test)})
                with_ids.add(digest)
                own, shared = own + line, shared + line
            _write(file, shared)
        _append(self._path, own)

    def lines(self) -> bytes:
        """Return this run's evaluations, as its own file should hold them, though it be damaged.

        They are those of the shared file; or what can be read of the own one, if that is more.
        """
        own = self._path.read_bytes().split(b"\n") if self._path.is_file() else []
        readable = [line for line in own if _is_entry(line)]
        kept: list[bytes] = []
        if self._shared is not None:
            with _opened(self._shared) as file:
                file.seek(0)
                entries = [line for line in file.read().split(b"\n") if _is_entry(line)]
            kept = [line for line in entries if json.loads(line).get("run") in self._own]
        best = readable if len(readable) > len(kept) else kept
        return b"".join(line + b"\n" for line in best)

    def is_readable(self) -> bool:
        """Tell whether every line of the own file is an entry, but a torn last one."""
        whole = self._path.read_bytes().rpartition(b"\n")[0] if self._path.is_file() else b""
        return all(map(_is_entry, filter(bytes.strip, whole.split(b"\n"))))

    def _catch_up(self, path: Path, file: IO[bytes]) -> None:
        """Read what was added to the shared file; all of it if it is another file now."""
        inode = os.fstat(file.fileno()).st_ino
        if inode != self._inode or file.seek(0, os.SEEK_END) < self._place:
            self._known, self._place, self._num_lines = EvaluatedSets(self._own), 0, 0
            self._inode, self._with_ids = inode, set()
            for earlier in filter(Path.is_file, self._earlier):
                whole = earlier.read_bytes().rpartition(b"\n")[0]  # without a torn line
                self._take_in(earlier, whole, 0)
        file.seek(self._place)
        added = file.read()
        self._with_ids |= self._take_in(path, added, self._num_lines)
        self._place += len(added)
        self._num_lines += added.count(b"\n")

    def _take_in(self, path: Path, text: bytes, num_before: int) -> set[str]:
        """Take in lines of a file, below so many others; return the test sets with ids there."""
        with_ids = set()
        for number, line in enumerate(text.split(b"\n"), start=num_before + 1):
            if not line.strip():
                continue
            entry = _entry(line, f"{path}, line {number}")
            self._known.add(entry)
            if "test_ids" in entry:
                with_ids.add(str(entry.get("test_digest")))
        return with_ids


@contextmanager
def _opened(shared: Path) -> Iterator[IO[bytes]]:
    """Open a shared file that no other run writes meanwhile, without a torn last line."""
    shared.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{shared.resolve()}.lock")
    acquire(lock, -1, remedy="Name a file with --ledger on a disk that has them.")
    try:
        with shared.open("a+b") as file:
            _drop_torn_line(file)
            yield file
    finally:
        lock.release()


def _append(path: Path, line: bytes) -> None:
    with path.open("a+b") as file:
        _drop_torn_line(file)
        _write(file, line)


def _write(file: IO[bytes], text: bytes) -> None:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _line(entry: dict[str, Any]) -> bytes:
    return (json.dumps(entry, ensure_ascii=False, default=str) + "\n").encode()


def _is_entry(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _entry(line: bytes, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        if not isinstance(entry, dict):
            raise ValueError(type(entry).__name__)
        if not isinstance(entry.get("test_ids", []), list):
            raise ValueError("`test_ids` that are no list")
    except (ValueError, RecursionError) as error:
        raise InputError(
            where,
            expected="a JSON object, as every line of a ledger is one",
            got=str(error),
            remedy="Correct the line, or name another file with --ledger.",
        ) from error
    return entry


def _drop_torn_line(file: IO[bytes]) -> None:
    """Drop what a crash or a full disk cut short: the evaluation it announces never took place."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    if size and file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
