"""Calibrates a model by the test predictions of its protocol, which its score comes from, too."""

import math
from typing import Any

import pandas as pd

from tokser.experiments.calibration.coverage import coverage_rows
from tokser.experiments.calibration.cross_fit import (
    SetChoice,
    calibrate_by_speakers,
    fit_calibration,
)
from tokser.experiments.calibration.predicted import Predicted
from tokser.experiments.calibration.promise import promise_of
from tokser.experiments.calibration.rows import tested_of
from tokser.experiments.dataset import Dataset
from tokser.experiments.models.calibration import Calibration, KeptThreshold
from tokser.experiments.units import Unit

__all__ = ["calibrate_model", "why_not_calibrated"]


def why_not_calibrated(predictions: pd.DataFrame, dataset: Dataset) -> str:
    """Say why test predictions cannot calibrate; empty where they can."""
    units = dataset.sampling_units
    missing = units.missing(predictions["id"])
    if missing:
        return missing
    if units.of(predictions["id"]).nunique() < 2:
        return f"one {units.kind} alone was tested"
    if predictions["label"].nunique() < 2:
        return "one class alone was tested"
    return ""


def calibrate_model(
    predictions: pd.DataFrame,
    dataset: Dataset,
    unit: Unit,
    choice: SetChoice,
    *,
    has_probabilities: bool,
) -> Calibration:
    """Fit temperature and thresholds on all test predictions, and measure them speaker by speaker.

    Each test prediction is by a model of a fold, which was not trained on its speaker; what is
    fitted is used on the model that was trained on all of them. What is measured of a speaker was
    fitted on all others.

    Args:
        predictions: Test predictions of one seed.
        dataset: Utterances, audits, the task.
        unit: Features, protocol, head, seed.
        choice: Which sets.
        has_probabilities: Whether the head puts out probabilities.
    """
    units = dataset.sampling_units
    classes = dataset.task.classes(dataset.target(unit.target))
    stamp = dataset.audits[unit.protocol].of_features(unit.features).stamp
    raw = Predicted.of(predictions, classes, units)
    fitted = fit_calibration(raw, choice)
    counts = {"speakers": fitted.num_units, "utterances": fitted.num_utterances}
    thresholds = tuple(
        KeptThreshold(
            exchangeable,
            level,
            None if math.isinf(found.value) else found.value,
            counts[exchangeable],
            promise_of(exchangeable, level, counts[exchangeable], units.kind, stamp),
        )
        for (exchangeable, level), found in fitted.thresholds.items()
    )
    crossed = calibrate_by_speakers(raw, choice)
    after = tested_of([crossed.predicted], dataset)
    measured = (("raw", tested_of([raw], dataset)), ("calibrated", after))
    return Calibration(
        temperature=fitted.temperature.value,
        set_score=choice.score,
        thresholds=thresholds,
        made_from={
            "protocol": unit.protocol,
            "num_utterances": fitted.num_utterances,
            "num_units": fitted.num_units,
            "unit": units.kind,
            "leaks": stamp,
            "outputs": "probabilities" if has_probabilities else "decision values",
            "note": fitted.temperature.note,
        },
        measures=[
            _plain({"probabilities": kind, **tested.measures(len(classes))})
            for kind, tested in measured
        ],
        coverage=[
            _plain({"exchangeable": exchangeable, "level": level, **row})
            for (exchangeable, level), sets in crossed.sets.items()
            for row in coverage_rows(after, [sets], classes)
        ],
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON has it: blanks are null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else _number(value)
        for key, value in row.items()
    }


def _number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
