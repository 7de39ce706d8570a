"""Loggers of a run besides `metrics.csv`: TensorBoard, and experiment trackers by name."""

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from tokser.config import PretrainSettings
from tokser.trackers import trackers_of

__all__ = ["loggers_of"]


def loggers_of(settings: PretrainSettings) -> list[Logger]:
    """Return TensorBoard's logger, and one for each tracker in the settings.

    Raises:
        MissingPackageError: A tracker is not installed.
    """
    named = trackers_of(settings.track, settings.out, settings.model_dump(mode="json"))
    return [TensorBoardLogger(settings.out, name="tensorboard", version=""), *named.values()]
