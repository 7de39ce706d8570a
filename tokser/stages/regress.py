"""Stage 5, for dimensional emotion: valence, arousal and dominance from functionals."""

from pathlib import Path

from tokser.config import RegressSettings
from tokser.experiments.experiment import run_experiment
from tokser.experiments.regression import Regression
from tokser.experiments.task import Loss
from tokser.experiments.tracked import track_results
from tokser.trackers import require_trackers

__all__ = ["regress", "task_of"]

_LOSSES: dict[str, Loss] = {"squared-error": "squared error", "ccc": "concordance"}


def regress(settings: RegressSettings) -> Path:
    """Predict each target from each sum of features under every protocol.

    Finished parts are kept, so the same call goes on where it was stopped.

    Returns:
        The output folder: `regression.csv`, `comparisons.csv`, `choices.csv`,
        `predictions.parquet`, `grid.csv`, `splits.json`, `audit.json`, `ledger.jsonl`, and
        `provenance.json` last.

    Raises:
        TokserError: As `run_experiment` does.
    """
    require_trackers(settings.track)
    out = run_experiment(task_of(settings), settings, settings.heads)
    track_results(out, settings.track, settings.model_dump(mode="json"))
    return out


def task_of(settings: RegressSettings) -> Regression:
    """Return what is predicted, and by which loss."""
    return Regression(settings.targets, settings.subset, _LOSSES[settings.loss])
