"""Stage 5, across corpora: classifiers trained on one corpus and tested on another."""

from pathlib import Path

from tokser.config import TransferSettings
from tokser.experiments.tracked import track_results
from tokser.experiments.transfer.run import run_transfer
from tokser.stages.classify import workers_of
from tokser.trackers import require_trackers

__all__ = ["transfer"]


def transfer(settings: TransferSettings) -> Path:
    """Score every feature expression and classifier from each corpus to each.

    Finished parts are kept, so the same call goes on where it was stopped.

    Returns:
        The output folder: the tables of `classify`, `transfer.csv` (the matrix) and `labels.csv`
        (classes, and what was left out).

    Raises:
        TokserError: As `run_transfer` does.
    """
    require_trackers(settings.track)
    out = run_transfer(settings, workers_of(settings))
    track_results(out, settings.track, settings.model_dump(mode="json"))
    return out
