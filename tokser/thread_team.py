"""Threads that share a computation, each on its own: tasks are taken by whoever is free.

Products that are spread over several threads end in a barrier. Beside other work one of the threads
has often lost its core, and all wait for it at every product. Here each thread computes whole
tasks on one core, so a thread that is late does fewer of them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from tokser.device import keep_to_one_thread, one_thread
from tokser.threads import num_threads

if TYPE_CHECKING:
    import torch
else:
    torch = Any

__all__ = ["has_team", "map_in_team", "thread_team"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_team: ContextVar["_Team | None"] = ContextVar("tokser_thread_team", default=None)


@contextmanager
def thread_team(device: "torch.device") -> Iterator[None]:
    """Let `map_in_team` use `num_threads()` threads within the block; torch itself uses one.

    What a block computes depends on how it is cut into tasks, and not on the number of threads.

    Args:
        device: Where the block computes; there is no team for a GPU, which needs none.
    """
    if device.type != "cpu" or has_team():
        yield
        return
    helpers = num_threads() - 1
    with one_thread(), _Team(helpers) as team:
        _team.set(team)
        try:
            yield
        finally:
            _team.set(None)


def has_team() -> bool:
    """Return whether the calling thread leads a team."""
    return _team.get() is not None


def map_in_team(task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return what a task returns for each item, in order.

    Without a team the calling thread does all of them, one after the other.

    Args:
        task: Thread-safe; it has the gradient mode, inference mode and autocast of the caller.
        items: What it is called with, in the order in which they are taken: long ones first.
    """
    team = _team.get()
    if team is None or len(items) < 2:
        return [task(item) for item in items]
    return team.map(task, items)


class _Team:
    """The calling thread and its helpers."""

    def __init__(self, helpers: int) -> None:
        self._helpers = helpers
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "_Team":
        if self._helpers > 0:
            self._pool = ThreadPoolExecutor(self._helpers, "team", initializer=keep_to_one_thread)
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Do every task; after an error no further one is begun."""
        found: list[Any] = [None] * len(items)
        todo, is_stopped = itertools.count(), False

        def work() -> None:
            nonlocal is_stopped
            try:
                while not is_stopped and (number := next(todo)) < len(items):
                    found[number] = task(items[number])
            except BaseException:
                is_stopped = True
                raise

        helps = _as_here(work)
        pool = self._pool
        count = min(self._helpers, len(items) - 1)
        started = [] if pool is None else [pool.submit(helps) for _ in range(count)]
        try:
            work()
        finally:
            is_stopped = is_stopped or next(todo) < len(items)
            begun = [one for one in started if not one.cancel()]
            errors = [one.exception() for one in begun]
        for error in errors:
            if error is not None:
                raise error
        return found


def _as_here(work: Callable[[], None]) -> Callable[[], None]:
    """Give another thread torch's modes of this one."""
    import torch

    has_gradients, is_inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    is_autocast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def helps() -> None:
        with (
            torch.inference_mode(is_inference),
            torch.set_grad_enabled(has_gradients),
            # Its cache is the process's, and would be emptied by whoever is the first to leave.
            torch.autocast("cpu", dtype, enabled=is_autocast, cache_enabled=False),
        ):
            work()

    return helps
