"""How many threads this process may use: one answer, which everything that computes asks for.

A machine's number of cores is the wrong one in a container, on a Slurm node, and beside other work.
joblib knows the limits that the system sets (affinity, the quota of cgroups v1 and v2): it is asked
where there may be others than affinity. What the user or the calling program set comes first.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from tokser.errors import SettingsError
from tokser.temporary_changes import environment_restored

__all__ = ["VARIABLE", "num_threads", "this_thread_alone", "use_threads"]

VARIABLE = "TOKSER_THREADS"
"""Environment variable with a number of threads."""
_OPENMP = "OMP_NUM_THREADS"
_QUOTAS = ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
"""Where cgroups v2 and v1 say how much processor time there is; `joblib` reads them."""
_NO_QUOTA = (["max"], ["-1"])

_chosen: ContextVar[int | None] = ContextVar("tokser_threads", default=None)


def num_threads() -> int:
    """Return how many threads may compute at a time.

    The first of these that is there: what `use_threads` says; `TOKSER_THREADS`; the cores that
    affinity and cgroup quota leave to this process, and no more than torch was set to by
    `torch.set_num_threads` or `OMP_NUM_THREADS`.

    Raises:
        SettingsError: `TOKSER_THREADS` is no number.
    """
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        return _require_positive(text, VARIABLE)
    return min(_usable_cores(), _openmp_threads())


@contextmanager
def use_threads(number: int) -> Iterator[None]:
    """Compute with so many threads within the block, whatever the environment says.

    It holds for the thread that enters the block. Libraries that have a number of threads for the
    whole process (torch, BLAS) have this one until the block ends.

    Args:
        number: Threads, 1 or more.

    Raises:
        SettingsError: It is less than 1.

    Example:
        >>> import tokser
        >>> from tokser.threads import num_threads
        >>> with tokser.use_threads(1):
        ...     num_threads()
        1
    """
    _require_positive(number, "use_threads")
    from threadpoolctl import threadpool_limits

    outside, torch = _chosen.get(), sys.modules.get("torch")
    before = _usable_cores() if torch is None else torch.get_num_threads()
    _chosen.set(number)
    with environment_restored(), threadpool_limits(number):
        os.environ[_OPENMP] = str(number)  # of libraries that are loaded within the block
        if torch is not None:
            torch.set_num_threads(number)
        try:
            yield
        finally:
            _chosen.set(outside)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(before)


def this_thread_alone() -> Callable[[], None]:
    """Say that the calling thread starts no further ones, being one of several that compute.

    Returns:
        What takes it back.
    """
    before = _chosen.get()
    _chosen.set(1)

    def take_back() -> None:
        _chosen.set(before)

    return take_back


def _usable_cores() -> int:
    """Return the cores that the system leaves to this process."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS and Windows have none
    if affinity is not None and not _may_have_quota():
        return len(affinity(0))
    import joblib  # takes a fifth of a second

    return int(joblib.cpu_count())


def _may_have_quota() -> bool:
    """Tell whether something beside affinity limits the cores."""
    if "LOKY_MAX_CPU_COUNT" in os.environ:  # joblib's variable
        return True
    quotas = (Path(name) for name in _QUOTAS)
    return any(one.is_file() and one.read_text().split()[:1] not in _NO_QUOTA for one in quotas)


def _openmp_threads() -> int:
    """Return the number of threads that was set for products, by the program or the environment."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    first = os.environ.get(_OPENMP, "").partition(",")[0].strip()
    return max(1, int(first)) if first.isdecimal() else sys.maxsize


def _require_positive(number: int | str, where: str) -> int:
    found = int(number) if str(number).isdecimal() else 0
    if found < 1:
        raise SettingsError(
            where, expected="a number of threads, 1 or more", got=repr(number), remedy="Set it so."
        )
    return found
