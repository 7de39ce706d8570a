"""Experiment trackers by name: Weights & Biases, MLflow and TensorBoard, through Lightning."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokser.errors import MissingPackageError
from tokser.redaction import redacted_values
from tokser.temporary_changes import environment_restored

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

__all__ = ["require_trackers", "trackers_of"]

_PACKAGES = {"wandb": "wandb", "mlflow": "mlflow"}


def require_trackers(names: Sequence[str]) -> None:
    """Raise `MissingPackageError` unless the packages of trackers are installed."""
    for name in names:
        if name in _PACKAGES and find_spec(_PACKAGES[name]) is None:
            raise MissingPackageError(
                f"--track {name}",
                expected=f"the package {_PACKAGES[name]}",
                got="none installed",
                remedy="Install it: pip install 'tokser[tracking]'.",
            )


def trackers_of(
    names: Sequence[str], folder: Path, settings: Mapping[str, Any]
) -> "dict[str, Logger]":
    """Return a logger for each tracker, with the settings of what it follows.

    Weights & Biases obeys `WANDB_MODE` (`offline` writes to the folder), MLflow
    `MLFLOW_TRACKING_URI`, without which it writes to `mlruns` in the folder.

    Args:
        names: `wandb`, `mlflow`, `tensorboard`.
        folder: Of the run or results; its name is that of the run.
        settings: By name; secrets in addresses are left out.

    Raises:
        MissingPackageError: A tracker is not installed.
    """
    require_trackers(names)
    made = {"wandb": _wandb, "mlflow": _mlflow, "tensorboard": _tensorboard}
    makers: dict[str, Callable[[Path], Any]] = {name: made[name] for name in names}
    # mlflow-skinny has no database, and no longer writes to folders unless it is told to.
    with environment_restored(MLFLOW_ALLOW_FILE_STORE="true"):
        loggers: dict[str, Any] = {name: make(folder) for name, make in makers.items()}
        for logger in loggers.values():
            logger.log_hyperparams(redacted_values(dict(settings)))
    return loggers


def _wandb(folder: Path) -> "Logger":
    from lightning.pytorch.loggers import WandbLogger

    # A resumed run is the same run of the tracker.
    return WandbLogger(
        project="tokser", name=folder.resolve().name, save_dir=folder, resume="allow"
    )


def _mlflow(folder: Path) -> "Logger":
    from lightning.pytorch.loggers import MLFlowLogger

    folder = folder.resolve()
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if address is None:
        address = f"file:{folder / 'mlruns'}"
    return MLFlowLogger("tokser", run_name=folder.name, tracking_uri=address)


def _tensorboard(folder: Path) -> "Logger":
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="tensorboard", version="")
