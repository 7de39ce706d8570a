"""Processes that fit folds beside this one, for heads whose fits are thousands of short calls.

Python runs one thread at a time, so of two threads with such folds each waits for the other half of
the time. A process is started while the corpus is still being read, gets what it trains on once,
and then fits whatever fold is next; one that ends is done without.

What must never happen: a number that depends on the process (each fold is fitted on one thread,
here or there); a process that outlives this one (it ends with its standard input).
"""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from tokser.experiments.heads.fold_threads import num_blas_threads
from tokser.experiments.heads.head import FitFold, FittedFold, Fitting, FoldHead, Head
from tokser.experiments.training_data import TrainingData
from tokser.progress import warn
from tokser.threads import num_threads

__all__ = ["SIDE_BY_SIDE", "Beside", "fold_processes", "serve"]

SIDE_BY_SIDE = frozenset({"logreg", "ridge", "svm"})
"""Heads that fit folds side by side; to ask them, they would have to be imported."""

_MOST = 7
_FEWEST_UNITS = 4
_LARGEST = 256 * 2**20
"""Bytes of functionals up to which each process gets a copy."""
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TOKSER_THREADS")
_PACKAGES = str(Path(__file__).parents[3])
"""Where this process has found the package."""
_SERVE = f"from {__name__} import serve; serve()"


class Beside:
    """Processes that wait for folds; they are started at once, and ended by `close`.

    Args:
        number: How many; at most 7 are started.
    """

    def __init__(self, number: int) -> None:
        self._processes = [_Process() for _ in range(min(number, _MOST))]

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
    """One process, and the pipes to it."""

    def __init__(self) -> None:
        paths = [_PACKAGES, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | dict.fromkeys(_ONE_THREAD, "1")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        self._to = cast(IO[bytes], self._process.stdin)
        self._from = cast(IO[bytes], self._process.stdout)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, message: bytes) -> None:
        self._to.write(message)
        self._to.flush()

    def fit(self, fold: int, on_models: Callable[[int], None]) -> FittedFold:
        """Let it fit a fold, and wait; its error is raised here."""
        self.send(pickle.dumps(("fold", fold), protocol=5))
        fitted, counts, error = pickle.load(self._from)  # our own
        for count in counts:
            on_models(count)
        if error is not None:
            raise error
        found: FittedFold = fitted
        return found

    def no_more_folds(self) -> None:
        with contextlib.suppress(OSError):  # it may have ended with words in the pipe
            self._to.close()

    def end(self) -> None:
        """End it, at once: what it has not answered is wanted no more."""
        self.no_more_folds()
        self._process.kill()
        self._process.wait()
        self._from.close()


def fold_processes(heads: Iterable[str] | Mapping[str, Head], num_units: int) -> Beside:
    """Start processes for heads whose folds are fitted side by side, where that is worth it.

    They start in the half second in which heads are imported and the corpus is read.

    Args:
        heads: What is fitted: names, or heads by name.
        num_units: How often folds are fitted, about.
    """
    if isinstance(heads, Mapping):
        are_suited = any(getattr(head, "fits_side_by_side", False) for head in heads.values())
    else:
        are_suited = not SIDE_BY_SIDE.isdisjoint(heads)
    is_worth = are_suited and num_units >= _FEWEST_UNITS
    return Beside(min(num_threads(), num_blas_threads()) - 1 if is_worth else 0)


def serve() -> None:
    """Fit the folds that standard input asks for, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed is no answer
    from threadpoolctl import threadpool_limits

    from tokser.experiments.heads import logreg  # noqa: F401  # while nobody waits

    fit: Any = None
    with threadpool_limits(limits=1):
        while True:
            try:
                kind, *rest = pickle.load(sys.stdin.buffer)  # of who started it
            except EOFError:
                return
            if kind == "work":
                head, data, options = rest
                fit = head.fit_fold(data, Fitting(**options))
                continue
            answers.write(_answer(fit, *rest))
            answers.flush()


def _answer(fit: FitFold, fold: int) -> bytes:
    counts: list[int] = []
    fitted: Any = None
    error: Exception | None = None
    try:
        fitted = fit(fold, counts.append)
    except Exception as raised:  # noqa: BLE001  # raised again in the process that asked
        error = raised
    return pickle.dumps((fitted, counts, error), protocol=5)
