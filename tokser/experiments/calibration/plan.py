"""Whether an experiment can be calibrated, told before anything is trained."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tokser.config import ClassifySettings
from tokser.errors import InputError, SettingsError, list_some
from tokser.experiments.dataset import Dataset, ExperimentSettings
from tokser.experiments.heads.head import Head
from tokser.experiments.task import Task
from tokser.progress import warn

if TYPE_CHECKING:
    from tokser.experiments.calibration.rows import CalibrationPlan
else:
    CalibrationPlan = Any  # few experiments are calibrated

__all__ = ["plan_calibration", "require_speakers"]


def plan_calibration(
    task: Task, settings: ExperimentSettings, heads: Mapping[str, Head]
) -> CalibrationPlan | None:
    """Return how predictions are calibrated; None where that is not asked for.

    Raises:
        SettingsError: The task does not predict one class by probabilities.
    """
    if not isinstance(settings, ClassifySettings) or settings.calibrate is None:
        return None
    if not task.calibrates:
        raise SettingsError(
            "--calibrate",
            expected="--labels single",
            got=f"--labels {settings.labels}",
            remedy="Leave --calibrate out: what is calibrated are probabilities of one class.",
        )
    decide = frozenset(name for name, head in heads.items() if not head.has_probabilities)
    if decide:
        warn(
            f"--calibrate: {list_some(sorted(decide))} put out decision values and no "
            "probabilities: what is calibrated is their softmax"
        )
    from tokser.experiments.calibration.cross_fit import SetChoice
    from tokser.experiments.calibration.rows import CalibrationPlan

    choice = SetChoice(settings.coverage, settings.set_score)
    return CalibrationPlan(settings.calibrate, choice, decide)


def require_speakers(dataset: Dataset) -> None:
    """Raise `InputError` unless calibration by speakers is possible.

    Raises:
        InputError: Speakers (or sessions) are unknown, or there is one alone.
    """
    units = dataset.sampling_units
    known = units.of(dataset.utterances.index)
    unknown = list(known.index[known.eq("")])
    if unknown or known.nunique() < 2:
        got = f"none of {list_some(unknown)}" if unknown else f"one {units.kind} alone"
        raise InputError(
            f"--calibrate, {dataset.store.path}",
            expected=f"the {units.kind} of every utterance, two at least",
            got=got,
            remedy="Name speakers in the manifest, or leave --calibrate out.",
        )
