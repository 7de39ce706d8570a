"""Predictions of every feature set, trained or made of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.experiments.choices import plan_choices
from tokser.experiments.dataset import Material
from tokser.experiments.feature_expressions import How, combine
from tokser.experiments.ledger import Ledger
from tokser.experiments.runs import Unit, read_unit
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.metrics import score

__all__ = ["Outcome", "combined_outcomes", "fold_scores", "trained_outcomes"]


@dataclass(frozen=True)
class Outcome:
    """What one unit predicted for its test parts.

    Attributes:
        unit: Features, protocol, classifier, seed.
        predictions: Columns fold, id, label, prediction, probability_<class>...
        trials: The points of its grid; none for what is made of others.
        dev_uar: Cross-fitted UAR on dev of what was selected, by fold; none for averages of
            classifiers.
        chosen: The member that dev chose, by fold.
        num_candidates: How many members it was chosen among; 1 where nothing was.
    """

    unit: Unit
    predictions: pd.DataFrame
    trials: pd.DataFrame | None = None
    dev_uar: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, Unit] = field(default_factory=dict)
    num_candidates: int = 1


def trained_outcomes(units: Sequence[Unit], out: Path) -> list[Outcome]:
    """Read what the units left."""
    outcomes = []
    for unit in units:
        found = read_unit(unit, out)
        dev = found.on_dev("dev_uar_crossfit")
        outcomes.append(Outcome(unit, found.predictions, found.trials, dev))
    return outcomes


def combined_outcomes(
    material: Material, trained: Sequence[Outcome], ledger: Ledger, dataset: str
) -> list[Outcome]:
    """Make the late fusions, and the choices by dev, out of what was trained.

    With several classifiers, choices are made among them, too: of the same features, of the layers
    of an encoder, and of everything that was trained.
    """
    by_unit = {outcome.unit: outcome for outcome in trained}
    settings = dict.fromkeys(outcome.unit[1:] for outcome in trained)
    combined: list[tuple[How, Unit, list[Unit]]] = [
        (late.how, Unit(str(late), *setting), [Unit(str(m), *setting) for m in late.members])
        for late in material.combined
        for setting in settings
    ]
    combined += [("best", *choice) for choice in plan_choices(material, list(by_unit))]
    outcomes = []
    for how, unit, members in combined:
        folds = material.plans[unit.protocol].folds(unit.seed)
        outcomes.append(
            _combined(how, unit, [by_unit[member] for member in members], folds, ledger, dataset)
        )
    return outcomes


def fold_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score each fold, [folds, scores]."""
    folds = [
        score(part["label"].tolist(), part["prediction"].tolist())
        for _, part in predictions.groupby("fold", sort=True)
    ]
    return pd.DataFrame([vars(fold) for fold in folds])


def _combined(
    how: How,
    unit: Unit,
    members: Sequence[Outcome],
    folds: Sequence[Split],
    ledger: Ledger,
    dataset: str,
) -> Outcome:
    num_classes = sum(c.startswith("probability_") for c in members[0].predictions)
    tables, dev_uar, chosen = [], {}, {}
    for split in folds:
        on_dev = [member.dev_uar[split.fold] for member in members]
        parts = [m.predictions[m.predictions["fold"] == split.fold] for m in members]
        table, number = combine(how, parts, on_dev, num_classes)
        configuration: dict[str, Any] = {"dev_uar": on_dev}
        if number is not None:
            dev_uar[split.fold] = on_dev[number]
            chosen[split.fold] = members[number].unit
            configuration = {
                "chosen": chosen[split.fold].features,
                "chosen_classifier": chosen[split.fold].classifier,
            }
        ledger.record(split, dataset=dataset, **unit._asdict(), configuration=configuration)
        tables.append(table)
    predictions = pd.concat(tables, ignore_index=True)
    num_candidates = len(members) if how == "best" else 1
    return Outcome(unit, predictions, None, dev_uar, chosen, num_candidates)
