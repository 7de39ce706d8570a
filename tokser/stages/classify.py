"""Stage 5: emotion classifiers on the functionals of a store, under several protocols."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tokser.config import ClassifySettings
from tokser.experiments.classification import Classification
from tokser.experiments.distribution import Distribution
from tokser.experiments.experiment import run_experiment
from tokser.experiments.heads.head import Workers
from tokser.experiments.multilabel import MultiLabel
from tokser.experiments.task import Task
from tokser.experiments.tracked import track_results
from tokser.trackers import require_trackers

__all__ = ["classify", "task_of", "workers_of"]

_TASKS: dict[str, Callable[[], Task]] = {
    "single": Classification,
    "distribution": Distribution,
    "multilabel": MultiLabel,
}


def classify(settings: ClassifySettings) -> Path:
    """Score every feature expression under every protocol with every classifier.

    Finished parts are kept, so the same call goes on where it was stopped.

    Returns:
        The output folder: `results.csv` (a row for each seed; of shares `distribution.csv`, of
        several classes at once `multilabel.csv`), `summary.csv` (over seeds),
        `classes.csv`, `confusion.csv`, `comparisons.csv`, `choices.csv`, `predictions.parquet`,
        `grid.csv`, `splits.json`, `audit.json`, `ledger.jsonl`, and `provenance.json` last.

    Raises:
        TokserError: As `run_experiment` does.
    """
    require_trackers(settings.track)
    out = run_experiment(task_of(settings), settings, settings.heads, workers_of(settings))
    track_results(out, settings.track, settings.model_dump(mode="json"))
    return out


def task_of(settings: ClassifySettings) -> Task:
    """Return what is predicted: one label, shares of annotators, or several classes at once."""
    return _TASKS[settings.labels]()


def workers_of(settings: ClassifySettings) -> AbstractContextManager[Workers | None]:
    """Return the workers that settings name; without, everything is trained here."""
    if settings.scheduler is None and settings.cluster is None:
        return nullcontext()
    from tokser.scheduling import workers

    return workers(settings.scheduler, settings.cluster)
