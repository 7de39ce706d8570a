"""The rows of the tables of calibration, out of what an experiment predicted."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokser.config.calibration import CalibratedBy
from tokser.experiments.calibration.conformal import most_coverage, num_needed
from tokser.experiments.calibration.coverage import coverage_rows
from tokser.experiments.calibration.cross_fit import (
    Calibrated,
    SetChoice,
    calibrate_by_dev,
    calibrate_by_speakers,
)
from tokser.experiments.calibration.measures import SeedPredictions
from tokser.experiments.calibration.predicted import Predicted
from tokser.experiments.calibration.promise import promise_of
from tokser.experiments.calibration.tables import CALIBRATION, COVERAGE, RELIABILITY, RISK
from tokser.experiments.combinations import Outcome
from tokser.experiments.dataset import Dataset
from tokser.experiments.results import Table
from tokser.progress import warn

__all__ = ["CalibrationPlan", "calibration_rows", "tested_of"]

_Row = dict[str, Any]


@dataclass(frozen=True)
class CalibrationPlan:
    """How the test predictions of an experiment are calibrated.

    Attributes:
        by: Whose utterances calibrate: `speakers`: all other test speakers; `dev`: the dev part.
        choice: Which prediction sets.
        decide: Heads without probabilities, whose softmax of decision values is calibrated.
    """

    by: CalibratedBy
    choice: SetChoice
    decide: frozenset[str] = frozenset()


def calibration_rows(
    outcomes: Sequence[Outcome], dataset: Dataset, plan: CalibrationPlan, *, name: str, setup: str
) -> dict[Table, list[_Row]]:
    """Measure and calibrate everything that was predicted.

    Args:
        outcomes: Predictions of all units; of their dev parts, too, where these calibrate.
        dataset: Utterances, audits, and the task.
        plan: How.
        name: Of the corpus.
        setup: What departs from the usual training, in words.
    """
    rows: dict[Table, list[_Row]] = {
        table: [] for table in (CALIBRATION, RELIABILITY, COVERAGE, RISK)
    }
    groups: dict[tuple[str, str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        unit = outcome.unit
        groups[unit.protocol, unit.head, unit.features].append(outcome)
    order = list(dict.fromkeys(key[:2] for key in groups))
    ordered = sorted(groups.items(), key=lambda group: order.index(group[0][:2]))
    for (protocol, head, features), own in ordered:
        stamp = dataset.audits[protocol].of_features(features).stamp
        key = {"dataset": name, "features": features, "protocol": protocol, "classifier": head}
        key |= {"setup": setup, "stamp": stamp}
        for table, made in _of_configuration(own, dataset, plan, stamp).items():
            rows[table] += [key | row for row in made]
    _warn_of_short_promises(rows[COVERAGE])
    return rows


def _warn_of_short_promises(rows: Sequence[_Row]) -> None:
    """Tell once for each level, and for whatever is too short, that nothing is promised."""
    short = [row for row in rows if row["num_calibrating"] < num_needed(row["level"])]
    for promise in dict.fromkeys(str(row["promise"]) for row in short):
        warn(f"--coverage: {promise.removeprefix('none: ')}")


def tested_of(seeds: Sequence[Predicted], dataset: Dataset) -> SeedPredictions:
    """Put the predictions of all seeds together with their independent units."""
    names = sorted({str(unit) for one in seeds for unit in one.units})
    units = dataset.sampling_units
    missing = units.missing([name for one in seeds for name in one.ids])
    return SeedPredictions(seeds, names, units.kind, missing)


def _of_configuration(
    outcomes: Sequence[Outcome], dataset: Dataset, plan: CalibrationPlan, stamp: str
) -> Mapping[Table, list[_Row]]:
    classes = dataset.task.classes(dataset.target(outcomes[0].unit.target))
    units = dataset.sampling_units
    raw = [Predicted.of(outcome.predictions, classes, units) for outcome in outcomes]
    calibrated = [
        _calibrated(one, outcome, dataset, classes, plan)
        for one, outcome in zip(raw, outcomes, strict=True)
    ]
    before = tested_of(raw, dataset)
    after = tested_of([one.predicted for one in calibrated], dataset)
    common = {
        "calibrated_by": plan.by,
        "outputs": "decision values" if _decide(outcomes, plan) else "probabilities",
        "n_test": round(before.num_test),
        "num_seeds": len(outcomes),
        **before.common(),
    }
    rows: dict[Table, list[_Row]] = {CALIBRATION: [], RELIABILITY: [], COVERAGE: [], RISK: []}
    for kind, tested in (("raw", before), ("calibrated", after)):
        made = {"probabilities": kind}
        rows[CALIBRATION].append(common | made | tested.measures(len(classes)))
        rows[RISK] += [made | row for row in tested.risk()]
        for label, place in (("", None), *((one, at) for at, one in enumerate(classes))):
            rows[RELIABILITY] += [made | row for row in tested.curve(label, place)]
    rows[CALIBRATION][-1] |= _temperatures(calibrated)
    for exchangeable, level in calibrated[0].sets:
        num = min(one.num_calibrating(exchangeable) for one in calibrated)
        about = {
            "calibrated_by": plan.by,
            "set_score": plan.choice.score,
            "exchangeable": exchangeable,
            "level": level,
            "num_seeds": len(outcomes),
            "num_calibrating": num,
            "most_level": most_coverage(num),
            "promise": promise_of(exchangeable, level, num, units.kind, stamp),
        }
        sets = [one.sets[exchangeable, level] for one in calibrated]
        rows[COVERAGE] += [about | row for row in coverage_rows(after, sets, classes)]
    return rows


def _calibrated(
    predicted: Predicted,
    outcome: Outcome,
    dataset: Dataset,
    classes: Sequence[str],
    plan: CalibrationPlan,
) -> Calibrated:
    if plan.by == "speakers":
        return calibrate_by_speakers(predicted, plan.choice)
    folds = list(outcome.predictions["fold"].astype(str))
    if outcome.dev is None:
        raise RuntimeError(f"{outcome.unit}: no predictions of dev parts were kept")
    of_dev = outcome.dev.groupby("fold", sort=False)
    tables = {str(fold): table for fold, table in of_dev}
    none = outcome.dev.iloc[:0]
    dev = {
        fold: Predicted.of(tables.get(fold, none), classes, dataset.sampling_units)
        for fold in dict.fromkeys(folds)
    }
    return calibrate_by_dev(predicted, folds, dev, plan.choice)


def _temperatures(calibrated: Sequence[Calibrated]) -> _Row:
    fitted = [one for each in calibrated for one in each.fitted.values()]
    values = sorted(one.temperature.value for one in fitted)
    notes = dict.fromkeys(one.temperature.note for one in fitted if one.temperature.note)
    return {
        "temperature": sum(values) / len(values),
        "temperature_least": values[0],
        "temperature_most": values[-1],
        "note": "; ".join(notes),
    }


def _decide(outcomes: Sequence[Outcome], plan: CalibrationPlan) -> bool:
    """Tell whether any head of a configuration puts out decision values."""
    heads = {outcome.unit.head for outcome in outcomes}
    heads |= {member.head for one in outcomes for member in one.selected.values()}
    return not heads.isdisjoint(plan.decide)
