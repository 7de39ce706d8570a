"""Extractions in processes of their own, forked from one that has imported everything."""

import hashlib
import os
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from tokser.config import ExtractSettings
from tokser.stages.extract import extract
from tokser.store.objects import LocalObjects

__all__ = ["child", "contents", "die_within_write", "settings_for", "wait"]


def settings_for(store: Path, corpus: Path, encoders: tuple[str, ...]) -> ExtractSettings:
    return ExtractSettings(
        dataset="emodb", root=corpus, store=str(store), encoders=encoders, layers="all"
    )


def child(work: Callable[[], object]) -> int:
    """Run something in a forked process; returns its id."""
    torch.set_num_threads(1)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        torch.set_num_threads(1)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(code)


def extraction(settings: ExtractSettings, log: Path | None = None) -> int:
    """Extract in a forked process; commits are noted in `log`, a line each."""
    return child(lambda: _extract(settings, log))


def _extract(settings: ExtractSettings, log: Path | None) -> None:
    from tokser.store import GroupWriter

    plain = GroupWriter.commit

    def commit(self, shard, rows, *rest):
        done = plain(self, shard, rows, *rest)
        if log is not None:
            with log.open("a") as file:
                file.write("".join(f"{self._plan.name}/{name} {shard}\n" for name in rows))
        return done

    GroupWriter.commit = commit
    extract(settings)


def wait(pid: int, timeout_s: float = 120) -> int:
    """Wait for a process; returns its exit code, negative for a signal."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"process {pid} ran longer than {timeout_s} s")


def die_within_write(number: int, work: Callable[[], object]) -> None:
    """Do something, but die when half of a write is done."""
    plain, calls = LocalObjects.put, []

    def half(parts):
        content = b"".join(bytes(part) for part in parts)
        yield content[: len(content) // 2]
        os.kill(os.getpid(), signal.SIGKILL)

    def put(objects, key, parts):
        calls.append(key)
        plain(objects, key, half(parts) if len(calls) == number else parts)

    LocalObjects.put = put
    work()


def contents(store: Path) -> dict[str, str]:
    """Digest of every file of a store."""
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }
