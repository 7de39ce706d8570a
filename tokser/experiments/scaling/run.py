"""Learning curves of one store: draw nested subsets, train on each, predict the same test parts."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tokser.config import ScalingSettings
from tokser.errors import InputError, SettingsError, list_some
from tokser.experiments.classification import Classification
from tokser.experiments.dataset import (
    Dataset,
    ExperimentSettings,
    identities,
    load,
    read_expressions,
)
from tokser.experiments.evaluations import open_ledger, restore_ledger
from tokser.experiments.feature_expressions import Early, Late, parse
from tokser.experiments.heads.registry import find_head
from tokser.experiments.heads.suited import require_suited
from tokser.experiments.regression import Regression
from tokser.experiments.scaling.sizes import find_sizes
from tokser.experiments.scaling.subsets import Subset, draw_subsets, require_two_classes
from tokser.experiments.scaling.train import SubsetTrainer
from tokser.experiments.splits.protocols import Split
from tokser.experiments.task import Task
from tokser.experiments.units import Unit, one_by_one, run_units
from tokser.progress import warn
from tokser.provenance import Stamp
from tokser.store import Store, open_store

__all__ = ["Trained", "run_scaling"]

_MANY_SPEAKERS = 12
"""Speakers up to which each of them is left out in turn."""


class Trained(NamedTuple):
    """What is ready to be scored.

    Attributes:
        dataset: Task, utterances, folds, audits.
        units: A feature, a target and a draw each.
        folds: The same for every unit.
        stamp: What made the folder.
    """

    dataset: Dataset
    units: list[Unit]
    folds: tuple[Split, ...]
    stamp: Stamp


def run_scaling(settings: ScalingSettings, out: Path) -> Trained:
    """Train on every subset and predict the test parts; what is in the folder already is kept.

    Args:
        settings: Store, features, sizes, head.
        out: Folder of the parts; `units.read_unit` reads them.

    Raises:
        SettingsError: A feature, target or head is wrong, or `out` holds something else.
        InputError: There are too few speakers or classes.
    """
    store = open_store(settings.store, check=settings.check)
    task = Regression(settings.targets) if settings.targets else Classification()
    experiment = settings.experiment(store.dataset, _protocol(store), out)
    expressions = _sums_of_features(store, task, settings, experiment)
    name = experiment.heads[0]
    head = find_head(name, task, settings.head_grid)
    head.require_settings(settings.grid)
    reads_frames = require_suited(store, expressions, {name: head}, task.loss)
    inputs = identities(store, expressions, experiment, reads_frames=reads_frames)
    inputs = {"dataset": store.dataset} | inputs
    stamp = Stamp("scaling", settings.model_dump(mode="json"), inputs)
    stamp.require_own(out)
    dataset = load(store, task, expressions, experiment)
    (protocol, plan), *_ = dataset.plans.items()
    folds = plan.folds(settings.seed)
    seeds = range(settings.seed, settings.seed + settings.num_draws)
    units = [
        Unit(str(features), protocol, target, name, seed)
        for features in expressions
        for target in task.targets
        for seed in seeds
    ]
    labels = task.labels(dataset.utterances)
    sizes = find_sizes(
        folds,
        dataset.speakers,
        0 if labels is None else labels.nunique(),
        num_speakers=settings.num_speakers,
        num_utterances=settings.num_utterances,
    )
    draw = partial(draw_subsets, folds, dataset.speakers, labels, sizes)
    _check_subsets(map(draw, seeds), labels)
    ledger = open_ledger(experiment, stamp, dataset)
    with stamp.claim(out):
        restore_ledger(out, ledger)
        trainer = SubsetTrainer(dataset, experiment, head, folds, draw, ledger)
        label = f"scaling {store.dataset}"
        each, run = [(unit,) for unit in units], one_by_one(trainer.run)
        run_units(each, task.tables, out, label, trainer.num_models, run)
    return Trained(dataset, units, folds, stamp)


def _protocol(store: Store) -> str:
    """Return whom is tested by default; refuse a corpus without speakers, or with too few."""
    speakers = store.utterances["speaker"]
    unknown = list(speakers.index[speakers.eq("")])
    number = speakers.nunique()
    if unknown or number < 3:
        raise InputError(
            f"{store.path}",
            expected="a speaker for every utterance and at least 3 of them: one is tested, and a "
            "curve needs two numbers of training speakers (a fit four)",
            got=f"no speaker of {list_some(unknown)}" if unknown else f"{number}",
            remedy="Complete the manifest, or take a corpus of more speakers.",
        )
    return "speaker" if number <= _MANY_SPEAKERS else "kfold"


def _sums_of_features(
    store: Store, task: Task, settings: ScalingSettings, experiment: ExperimentSettings
) -> list[Early]:
    """Read the expressions; refuse those that dev has to choose or weigh."""
    late = [
        str(one)
        for text in settings.features
        for one in parse(text, store.pooled)
        if isinstance(one, Late)
    ]
    if late:
        raise SettingsError(
            "--features",
            expected="features, or sums of them, a curve each",
            got=list_some(late),
            remedy="Name their members instead.",
        )
    found = read_expressions(store, task, experiment)
    return [one for one in found if isinstance(one, Early)]


def _check_subsets(draws: Iterable[Iterable[Subset]], labels: "pd.Series[str] | None") -> None:
    """Refuse subsets of one class; say how many lack one."""
    if labels is None:
        return
    known, lacking, number = set(labels), Counter[str](), 0
    for drawn in draws:
        subsets = list(drawn)
        require_two_classes(subsets)
        lacking.update(name for one in subsets for name in known - set(one.classes))
        number += len(subsets)
    if lacking:
        counted = [f"{name} ({count})" for name, count in sorted(lacking.items())]
        warn(
            f"of {number} subsets some lack a class, which they never predict: "
            f"{list_some(counted, most=20)}; num_lacking in the table counts them by size"
        )
