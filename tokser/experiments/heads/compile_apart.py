"""Compilation of what numba keeps on disk, in a process of its own."""

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["compile_apart"]

_lock, _done = threading.Lock(), set[str]()


def compile_apart(
    entry: Callable[..., Any], sources: Sequence[ModuleType], warm_up: Callable[[], None]
) -> None:
    """Compile in a process of its own, where that was not done on this machine.

    A process that compiles links its functions otherwise than one that loads them from the cache,
    and sums in another order: the first grid on a machine would differ from all later ones. Where
    the cache cannot be written, every process compiles, and all of them agree.

    Args:
        entry: A compiled function that `warm_up` calls last.
        sources: What is compiled: first the module of all functions that are kept on disk, whose
            time numba minds, then those that they are made of.
        warm_up: Calls everything with the types that it will have; found by its name.
    """
    with _lock:
        if sources[0].__name__ not in _done:
            _compile(entry, sources, warm_up)
            _done.add(sources[0].__name__)


def _compile(
    entry: Callable[..., Any], sources: Sequence[ModuleType], warm_up: Callable[[], None]
) -> None:
    dispatcher: Any = entry
    folder = Path(dispatcher.stats.cache_path or "")
    changed = max(Path(str(module.__file__)).stat().st_mtime for module in sources)
    if not folder.is_dir() and not _can_make(folder):
        return
    name = Path(str(sources[0].__file__)).stem
    pattern = f"{name}.{dispatcher.py_func.__name__}-*.nbi"
    compiled = [path.stat().st_mtime for path in folder.glob(pattern)]
    if max(compiled, default=0.0) < changed:
        for index in folder.glob(f"{name}.*.nbi"):
            index.unlink(missing_ok=True)
        command = f"from {warm_up.__module__} import {warm_up.__name__} as run; run()"
        subprocess.run([sys.executable, "-c", command], check=True)


def _can_make(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True
