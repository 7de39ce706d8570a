"""Loggers of a run besides `metrics.csv`: TensorBoard, and experiment trackers by name."""

import os
from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from tokser.config import PretrainSettings
from tokser.errors import MissingPackageError
from tokser.redaction import redacted_values
from tokser.temporary_changes import environment_restored

__all__ = ["loggers_of"]

_PACKAGES = {"wandb": "wandb", "mlflow": "mlflow"}


def loggers_of(settings: PretrainSettings) -> list[Logger]:
    """Return TensorBoard's logger, and one for each tracker in the settings.

    Weights & Biases obeys `WANDB_MODE` (`offline` writes to the run's folder), MLflow
    `MLFLOW_TRACKING_URI`, without which it writes to `mlruns` in the run's folder.

    Raises:
        MissingPackageError: A tracker is not installed.
    """
    for name in settings.track:
        if find_spec(_PACKAGES[name]) is None:
            raise MissingPackageError(
                f"--track {name}",
                expected=f"the package {_PACKAGES[name]}",
                got="none installed",
                remedy="Install it: pip install 'tokser[tracking]'.",
            )
    out = settings.out
    made = {"wandb": _wandb, "mlflow": _mlflow}
    loggers: list[Logger] = [TensorBoardLogger(out, name="tensorboard", version="")]
    # mlflow-skinny has no database, and no longer writes to folders unless it is told to.
    with environment_restored(MLFLOW_ALLOW_FILE_STORE="true"):
        loggers += [made[name](settings) for name in settings.track]
        for logger in loggers[1:]:
            logger.log_hyperparams(redacted_values(settings.model_dump(mode="json")))
    return loggers


def _wandb(settings: PretrainSettings) -> Logger:
    folder: Path = settings.out
    # A resumed run is the same run of the tracker.
    return WandbLogger(
        project="tokser", name=folder.resolve().name, save_dir=folder, resume="allow"
    )


def _mlflow(settings: PretrainSettings) -> Logger:
    folder = settings.out.resolve()
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if address is None:
        address = f"file:{folder / 'mlruns'}"
    return MLFlowLogger("tokser", run_name=folder.name, tracking_uri=address)
