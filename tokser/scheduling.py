"""Work on many machines, by Dask: connect to a cluster or start one, and distribute tasks.

Nothing here is imported, and Dask is not needed, until `workers` is called.
"""

import importlib.util
import queue
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field

from tokser.config import Few, Settings
from tokser.errors import (
    InputError,
    MissingPackageError,
    RunError,
    SettingsError,
    TokserError,
    shortened,
)
from tokser.progress import say
from tokser.task_run import TaskRun
from tokser.yaml_file import read_yaml

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["ClusterSettings", "Workers", "load_cluster", "this_worker", "workers"]

Item = TypeVar("Item")
Result = TypeVar("Result")

CONNECT_S = 30.0
"""How long a scheduler may take to answer."""

RETRIES = 2
"""How often a task that failed is tried again; what is wrong with the input is not."""

SUBMIT_S = 120.0
"""How long a batch system may take to queue a job."""

_KINDS = {"slurm": "SLURMCluster", "sge": "SGECluster", "pbs": "PBSCluster"}
_PROGRAMS = {"slurm": ("sbatch", "scancel"), "sge": ("qsub", "qdel"), "pbs": ("qsub", "qdel")}
"""What queues and cancels jobs."""


class ClusterSettings(Settings):
    """A cluster file: what a batch system is to start, or processes of this machine."""

    kind: Literal["local", "slurm", "sge", "pbs"]
    jobs: Few = 1
    """Jobs that are queued; for `local`, processes."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of dask-jobqueue's cluster (cores, memory, walltime, queue, ...)."""


def load_cluster(path: Path) -> ClusterSettings:
    """Read a cluster file.

    Raises:
        MissingInputError: There is no such file.
        SettingsError: It is no YAML, or a key or value is wrong.
    """
    content = read_yaml(
        path,
        kind="a cluster file",
        keys="kind, jobs and options",
        example="pipelines/clusters/slurm.yaml",
    )
    return ClusterSettings.parse(content, where=str(path))


@contextmanager
def workers(scheduler: str | None, cluster: Path | None) -> "Iterator[Workers]":
    """Reach the workers of a cluster while the block runs.

    Args:
        scheduler: Address of a Dask scheduler, such as `tcp://node1:8786`; it keeps running.
        cluster: Cluster file; its jobs are queued here and cancelled at the end.

    Raises:
        SettingsError: Both were given, or none; or the batch system does not take the options.
        InputError: The scheduler does not answer, the batch system's programs are not there, or a
            worker has another version of tokser.
        RunError: The batch system does not queue a job.
        MissingPackageError: Dask is not installed.
    """
    if (scheduler is None) == (cluster is None):
        raise SettingsError(
            "--scheduler, --cluster",
            expected="one of them",
            got="both" if scheduler else "none",
            remedy="Name a running scheduler, or a file that says how to start a cluster.",
        )
    require_dask()
    if scheduler is not None:
        with _connected(scheduler) as client:
            yield Workers(client)
        return
    assert cluster is not None
    settings = load_cluster(cluster)
    _require_programs(settings.kind, cluster)
    with _started(settings, cluster) as started, _connected(started) as client:
        yield Workers(client)


def require_dask() -> None:
    """Raise `MissingPackageError` unless Dask and dask-jobqueue are installed."""
    missing = [
        package
        for package in ("distributed", "dask_jobqueue")
        if importlib.util.find_spec(package) is None
    ]
    if missing:
        raise MissingPackageError(
            "--scheduler, --cluster",
            expected="Dask",
            got=f"no {' and no '.join(missing)}",
            remedy='pip install "tokser[cluster]"',
        )


class Workers:
    """Processes, on any number of machines, that run tasks."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._check_workers()

    @property
    def num_threads(self) -> int:
        """Threads of all workers that are there now."""
        return sum(self._client.nthreads().values())

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        retries: int = RETRIES,
        whole_workers: bool = False,
    ) -> Iterator[tuple[Item, Result]]:
        """Run a task on every item, and yield each with its result as it gets done.

        What a lost worker was doing is done again by another, so a task must be safe to run
        twice. An item is taken, and sent, when a worker is free for it; workers may join and leave.

        Args:
            task: A function at the top of a module that workers can import.
            items: What it is called with; small, since each travels to a worker.
            retries: How often an item is tried again after an error that is no `TokserError`.
            whole_workers: Give a worker one item at a time, not one a thread: the task uses all
                its threads, or its GPU.

        Raises:
            TokserError: As the task raised it; nothing that is under way is waited for.
            RunError: A task kept failing, or lost every worker that ran it.
        """
        run = TaskRun(self._client, task, iter(items), retries=retries, whole_workers=whole_workers)
        try:
            yield from run.results()
        finally:
            run.cancel()

    def _check_workers(self) -> None:
        """Report the dashboard and the workers; refuse other versions of tokser."""
        found = self._client.run(_tokser_version, on_error="return")
        here = _tokser_version()
        others = {address: v for address, v in found.items() if v != here}
        if others:
            address, version = next(iter(others.items()))
            raise InputError(
                f"worker {address}",
                expected=f"tokser {here} as here",
                got=str(version),
                remedy="Start every worker in an environment with the same packages as this one.",
            )
        without = "" if importlib.util.find_spec("bokeh") else " (its plots need bokeh)"
        say(f"Dask dashboard: {self._client.dashboard_link}{without}")
        if found:
            say(f"Dask: {len(found)} workers, {self.num_threads} threads")
        else:
            say("Dask: no worker yet, waiting for the first")


@contextmanager
def _connected(address: Any) -> "Iterator[Client]":
    """Connect to a scheduler's address, or to a cluster that was started here."""
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # no answer; no address
        raise InputError(
            f"--scheduler {address}",
            expected=f"a Dask scheduler that answers within {CONNECT_S:.0f} s",
            got=f"{type(error).__name__}: {error}",
            remedy="Start one with `dask scheduler`, and name the tcp:// address that it prints.",
        ) from error
    with client:
        yield client


def _require_programs(kind: str, path: Path) -> None:
    """Raise `InputError` unless what queues and cancels jobs is there."""
    missing = [name for name in _PROGRAMS.get(kind, ()) if shutil.which(name) is None]
    if missing:
        raise InputError(
            f"{path}, kind {kind}",
            expected=f"the programs {' and '.join(_PROGRAMS[kind])} on this machine",
            got=f"no {' and no '.join(missing)} on the PATH",
            remedy="Run this on a login node, load the module that has them, or use kind: local.",
        )


@contextmanager
def _started(settings: ClusterSettings, path: Path) -> Iterator[Any]:
    try:
        cluster = _local(settings) if settings.kind == "local" else _queued(settings)
    except (TypeError, ValueError, RuntimeError, AttributeError, LookupError, OSError) as error:
        if isinstance(error, TokserError):
            raise
        raise SettingsError(
            f"{path}, options",
            expected=f"arguments that dask-jobqueue's {settings.kind} cluster takes",
            got=shortened(f"{type(error).__name__}: {error}"),
            remedy="Correct them; see the examples in pipelines/clusters.",
        ) from error
    with cluster:
        yield cluster


def _local(settings: ClusterSettings) -> Any:
    from distributed import LocalCluster

    defaults = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "processes": True}
    return LocalCluster(n_workers=settings.jobs, **defaults | settings.options)


def _queued(settings: ClusterSettings) -> Any:
    import dask_jobqueue

    kind = getattr(dask_jobqueue, _KINDS[settings.kind])
    queued: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    cluster = kind(**{"job_cls": _reporting(kind.job_cls, queued)} | settings.options)
    try:
        cluster.scale(jobs=settings.jobs)
        for _ in range(settings.jobs):
            _require_queued(queued, settings.kind)
    except BaseException:
        cluster.close()
        raise
    say(f"{settings.kind}: {settings.jobs} jobs queued")
    return cluster


def _reporting(job: Any, queued: "queue.SimpleQueue[Exception | None]") -> Any:
    """Return a class of jobs that reports how queueing went; Dask would only log a failure."""
    from distributed.core import Status

    async def start(self: Any) -> None:
        try:
            await job.start(self)
        except Exception as error:
            self.status = Status.failed
            queued.put(error)
            raise
        queued.put(None)

    return type(job.__name__, (job,), {"start": start})


def _require_queued(queued: "queue.SimpleQueue[Exception | None]", kind: str) -> None:
    """Raise `RunError` if the next job was not queued."""
    program = _PROGRAMS[kind][0]
    try:
        error = queued.get(timeout=SUBMIT_S)
    except queue.Empty:
        error = TimeoutError(f"no answer within {SUBMIT_S:.0f} s")
    if error is not None:
        raise RunError(
            f"{kind}, {program}",
            expected="a job that is queued",
            got=shortened(" ".join(str(error).partition("stderr:")[2].split()) or str(error)),
            remedy="Correct the options in the cluster file, or ask who runs the cluster.",
        ) from error


def this_worker() -> tuple[str, int]:
    """Return address and number of threads of the worker that a task runs on."""
    from distributed import get_worker

    worker = get_worker()
    return str(worker.address), int(worker.state.nthreads)


def _tokser_version() -> str:
    return metadata.version("tokser")
