"""Stage 6: one model, fitted on everything usable, kept with the score of its protocol."""

from pathlib import Path

from tokser.config import FitSettings
from tokser.experiments.classification import Classification
from tokser.experiments.models.fit import fit_model
from tokser.experiments.models.folder import load_model, types_within
from tokser.experiments.regression import Regression
from tokser.experiments.task import Task
from tokser.experiments.tracked import track_model
from tokser.trackers import require_trackers

__all__ = ["fit"]


def fit(settings: FitSettings) -> Path:
    """Select by cross-validation, fit on everything, and write a model folder.

    Finished parts of the score are kept, so the same call goes on where it was stopped.

    Returns:
        The model folder: `model.json`, `weights.safetensors`, `README.md` (the model card), and
        `provenance.json` last.

    Raises:
        TokserError: As `fit_model` does.
    """
    task: Task = Classification()
    if settings.target is not None:
        task = Regression((settings.target,), settings.subset)
    require_trackers(settings.track)
    out = fit_model(task, settings)
    if settings.track:
        told = settings.model_dump(mode="json")
        track_model(out, settings.track, told, load_model(out, trusted=types_within(out)).estimate)
    return out
