"""Folds in threads: several at once, results in order, and counts of models told by the caller."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_info

__all__ = ["in_threads", "num_blas_threads"]

_Fitted = TypeVar("_Fitted")


def num_blas_threads() -> int:
    """Return how many threads a matrix product may use: the share of this process.

    It follows the cores that the process may use, OMP_NUM_THREADS and its relatives, and limits
    that the caller has set. It asks no torch, which takes seconds to import.
    """
    found = [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]
    return max(found, default=1)


def in_threads(
    fit: Callable[[int, Callable[[int], None]], _Fitted],
    folds: Iterable[int],
    num_threads: int,
    on_models: Callable[[int], None],
) -> Iterator[_Fitted]:
    """Yield what `fit` returns for each fold, in order.

    Whoever stops listening, by Ctrl-C for instance, waits for the folds that are being fitted, and
    for no others.

    Args:
        fit: Called in threads with the number of a fold, and with what it tells how many models it
            has fitted.
        folds: Their numbers.
        num_threads: That fit; with one, the caller's fits.
        on_models: Called in the caller's thread, before a fold is yielded.
    """
    numbers = list(folds)
    if min(num_threads, len(numbers)) < 2:
        for fold in numbers:
            yield fit(fold, on_models)
        return

    def counted(fold: int) -> tuple[_Fitted, list[int]]:
        counts: list[int] = []
        return fit(fold, counts.append), counts

    pool = ThreadPoolExecutor(min(num_threads, len(numbers)), "folds")
    # Libraries that set warning filters for a moment do so for the process: two threads could
    # restore them in the wrong order.
    with warnings.catch_warnings():
        try:
            for future in [pool.submit(counted, fold) for fold in numbers]:
                fitted, counts = future.result()
                for count in counts:
                    on_models(count)
                yield fitted
        finally:
            pool.shutdown(cancel_futures=True)
