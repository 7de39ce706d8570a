"""Processes that fit folds beside this one, for heads whose fits are thousands of short calls.

Python runs one thread at a time, so of two threads with such folds each waits for the other half of
the time. A process is forked before the corpus is read, gets what it trains on once, and then fits
whatever fold is next; one that ends is done without.

What must never happen: a number that depends on the process (each fold is fitted on one thread,
here or there); a process that outlives this one (it ends with the pipe); a fork while another
thread may hold a lock.
"""

import pickle
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from threadpoolctl import threadpool_limits

from tokser.experiments.heads.fold_threads import num_blas_threads
from tokser.experiments.heads.head import FitFold, FittedFold, Fitting, FoldHead, Head
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.training_data import TrainingData
from tokser.progress import warn
from tokser.threads import num_threads

__all__ = ["SIDE_BY_SIDE", "Beside", "fold_processes"]

SIDE_BY_SIDE = frozenset({"logreg", "ridge", "svm"})
"""Heads that fit folds side by side; to ask them, they would have to be imported."""

_MOST = 7
_LEAST_WORK = 2e6
"""Fits of a protocol by squared utterances, from which on they take more than a second."""
_LARGEST = 256 * 2**20
"""Bytes of functionals up to which each process gets a copy."""


class Beside:
    """Processes that wait for folds; they are started at once, and ended at the end of the block.

    Args:
        number: How many; at most 7 are started.
        heads: Names of what they will fit: they import it, while they wait.
    """

    def __init__(self, number: int, heads: Iterable[str] = ()) -> None:
        self._processes = [_Process(heads) for _ in range(min(number, _MOST))]

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.end()

    def no_more_folds(self) -> None:
        """Let the processes end, and do not wait for it."""
        for process in self._processes:
            process.no_more_folds()

    @property
    def number(self) -> int:
        """How many are there."""
        return sum(process.is_alive for process in self._processes)

    def beside(
        self, fit_here: FitFold, head: FoldHead, data: TrainingData, how: Fitting
    ) -> FitFold:
        """Return what fits a fold in whichever process is free, this one among them.

        It is called by as many threads as there are processes, with this one.

        Args:
            fit_here: Fits a fold in this process.
            head: What is fitted.
            data: What it is fitted on.
            how: As in `Head.fit`.
        """
        errors = 0 if data.rounding is None else data.rounding.to_numpy().nbytes
        if data.functionals.to_numpy().nbytes + errors > _LARGEST:
            return fit_here
        options = {"refit": how.refit, "keeps_selected": how.keeps_selected}
        work = pickle.dumps(("work", head, replace(data), options), protocol=5)
        free: queue.SimpleQueue[_Process | None] = queue.SimpleQueue()
        for one in (None, *(process for process in self._processes if process.is_alive)):
            free.put(one)
        has_work: set[_Process] = set()

        def fit(fold: int, on_models: Callable[[int], None]) -> FittedFold:
            process = free.get()
            if process is None:
                try:
                    return fit_here(fold, on_models)
                finally:
                    free.put(None)
            try:
                if process not in has_work:
                    process.send(work)
                    has_work.add(process)
                fitted = process.fit(fold, on_models)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                process.end()
                warn(f"a process that fits folds has ended ({error!r}): this one fits them")
                return fit_here(fold, on_models)
            free.put(process)
            return fitted

        return fit


class _Process:
    """One process, and the pipe to it."""

    def __init__(self, heads: Iterable[str]) -> None:
        context = get_context("fork")  # it has imported all that this one has
        self._pipe, other = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other, self._pipe, tuple(heads)), daemon=True
        )
        self._process.start()
        other.close()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def send(self, message: bytes) -> None:
        self._pipe.send_bytes(message)

    def fit(self, fold: int, on_models: Callable[[int], None]) -> FittedFold:
        """Let it fit a fold, and wait; its error is raised here."""
        self.send(pickle.dumps(("fold", fold), protocol=5))
        fitted, counts, error = pickle.loads(self._pipe.recv_bytes())
        for count in counts:
            on_models(count)
        if error is not None:
            raise error
        found: FittedFold = fitted
        return found

    def no_more_folds(self) -> None:
        self._pipe.close()

    def end(self) -> None:
        """End it, at once: what it has not answered is wanted no more."""
        self.no_more_folds()
        self._process.kill()
        self._process.join()


def fold_processes(
    heads: Iterable[str] | Mapping[str, Head], num_units: int, num_utterances: int
) -> Beside:
    """Start processes for heads whose folds are fitted side by side, where that is worth it.

    To be called before anything starts threads. Elsewhere, as in a notebook, folds have threads.

    Args:
        heads: What is fitted: names, or heads by name.
        num_units: How often all folds are fitted, about.
        num_utterances: Of the corpus.
    """
    if isinstance(heads, Mapping):
        are_suited = any(getattr(head, "fits_side_by_side", False) for head in heads.values())
    else:
        are_suited = not SIDE_BY_SIDE.isdisjoint(heads)
    is_worth = are_suited and num_units * num_utterances**2 >= _LEAST_WORK and _may_fork()
    number = min(num_threads(), num_blas_threads()) - 1 if is_worth else 0
    return Beside(number, SIDE_BY_SIDE.intersection(heads))


def _may_fork() -> bool:
    """Tell whether a process that is forked now finds nothing half done: no thread has a lock."""
    is_alone = threading.active_count() == 1 and "torch" not in sys.modules
    return sys.platform.startswith("linux") and is_alone


def _serve(pipe: Connection, of_asker: Connection, heads: Sequence[str]) -> None:
    """Fit the folds that are asked for, until the pipe ends."""
    of_asker.close()  # else it would never end
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for name in heads:
        HEADS[name]
    fit: Any = None
    with threadpool_limits(limits=1):
        while True:
            try:
                kind, *rest = pickle.loads(pipe.recv_bytes())
            except (EOFError, OSError):
                return
            if kind == "work":
                head, data, options = rest
                fit = head.fit_fold(data, Fitting(**options))
            else:
                pipe.send_bytes(_answer(fit, *rest))


def _answer(fit: FitFold, fold: int) -> bytes:
    counts: list[int] = []
    fitted: Any = None
    error: Exception | None = None
    try:
        fitted = fit(fold, counts.append)
    except Exception as raised:  # noqa: BLE001  # raised again in the process that asked
        error = raised
    return pickle.dumps((fitted, counts, error), protocol=5)
