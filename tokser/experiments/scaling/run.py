"""Learning curves of one store: draw nested subsets, train on each, predict the same test parts."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from tokser.config import ScalingSettings
from tokser.device import resolve_device
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
from tokser.experiments.head_inputs import HeadInputs, read_inputs
from tokser.experiments.heads.head import Choice, Head
from tokser.experiments.heads.per_fold import SweptHead
from tokser.experiments.heads.registry import find_head
from tokser.experiments.heads.suited import require_suited
from tokser.experiments.ledger import Ledger
from tokser.experiments.regression import Regression
from tokser.experiments.scaling.sizes import Sizes, find_sizes
from tokser.experiments.scaling.subsets import Subset, draw_subsets, require_two_classes
from tokser.experiments.search import SearchResult, search
from tokser.experiments.splits.dev_part import draw_dev
from tokser.experiments.splits.protocols import Split
from tokser.experiments.task import Task
from tokser.experiments.training_data import TrainingData
from tokser.experiments.units import Unit, run_units
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
        sizes: The points of the curves.
        folds: The same for every unit.
        stamp: What made the folder.
    """

    dataset: Dataset
    units: list[Unit]
    sizes: Sizes
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
    _check_subsets(dataset, folds, sizes, seeds)
    ledger = open_ledger(experiment, stamp, dataset)
    with stamp.claim(out):
        restore_ledger(out, ledger)
        runner = _Runner(dataset, experiment, head, folds, sizes, ledger)
        label = f"scaling {store.dataset}"
        run_units(units, task.tables, out, label, runner.num_models, runner.run)
    return Trained(dataset, units, sizes, folds, stamp)


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


def _check_subsets(
    dataset: Dataset, folds: Sequence[Split], sizes: Sizes, seeds: Sequence[int]
) -> None:
    """Refuse subsets of one class; say how many lack one."""
    labels = dataset.task.labels(dataset.utterances)
    if labels is None:
        return
    lacking = dict[str, int]()
    classes = set(labels)
    total = 0
    for seed in seeds:
        drawn = list(draw_subsets(folds, dataset.speakers, labels, sizes, seed=seed))
        require_two_classes(drawn, labels)
        total += len(drawn)
        for one in drawn:
            absent = classes - set(labels.loc[list(one.train)])
            for name in absent:
                lacking[name] = lacking.get(name, 0) + 1
    if lacking:
        counted = [f"{name} ({count})" for name, count in sorted(lacking.items())]
        warn(
            f"of {total} subsets some lack a class, which they never predict: "
            f"{list_some(counted, most=20)}; num_lacking in the table counts them by size"
        )


class _Runner:
    """Runs units: all subsets of one order."""

    def __init__(
        self,
        dataset: Dataset,
        settings: ExperimentSettings,
        head: Head,
        folds: Sequence[Split],
        sizes: Sizes,
        ledger: Ledger,
    ) -> None:
        self._dataset, self._settings, self._head = dataset, settings, head
        self._folds, self._sizes, self._ledger = folds, sizes, ledger
        self._device = str(resolve_device(settings.device)) if head.is_network else "cpu"
        self._labels = dataset.task.labels(dataset.utterances)
        self._early = {str(early): early for early in dataset.trained}
        self._held: tuple[str, HeadInputs] | None = None
        self._of_all: dict[tuple[str, str, int], pd.DataFrame] = {}

    @property
    def _is_plain(self) -> bool:
        """Whether there is nothing to select: one candidate, without epochs."""
        return isinstance(self._head, SweptHead) and self._head.num_points(self._settings.grid) == 1

    def num_models(self, unit: Unit) -> int:
        """Count the models of a unit."""
        number = len(self._folds) * (len(self._sizes.speakers) + len(self._sizes.utterances))
        return number if self._is_plain else self._head.num_models(number, self._settings.grid)

    def run(self, unit: Unit, on_models: Callable[[int], None]) -> SearchResult:
        """Train on every subset, and predict the test part of its fold."""
        subsets = list(
            draw_subsets(
                self._folds, self._dataset.speakers, self._labels, self._sizes, seed=unit.seed
            )
        )
        self._record(unit)
        fit = self._fit_once if self._is_plain else self._search
        tables = fit(unit, subsets, on_models)
        keys = [(s.fold, s.varied, s.size) for s in subsets]
        predictions = pd.concat(
            [
                table.assign(fold=str(fold), varied=varied, size=size)
                for (fold, varied, size), table in zip(keys, tables, strict=True)
            ],
            ignore_index=True,
        )
        return SearchResult(predictions, pd.DataFrame([self._counts(one) for one in subsets]))

    def _counts(self, subset: Subset) -> dict[str, Any]:
        ids = list(subset.train)
        is_complete = self._labels is None or set(self._labels.loc[ids]) == set(self._labels)
        return {
            "fold": str(subset.fold),
            "varied": subset.varied,
            "size": subset.size,
            "num_speakers": self._dataset.speakers.loc[ids].nunique(),
            "num_train": len(ids),
            "lacks_class": not is_complete,
        }

    def _record(self, unit: Unit) -> None:
        """Write into the ledger that the test parts are evaluated, at which sizes."""
        sizes = {"speakers": self._sizes.speakers, "utterances": self._sizes.utterances}
        named = unit.named(self._dataset.task.tables)
        for fold in self._folds:
            self._ledger.record(
                fold, dataset=self._settings.dataset, **named, configuration={"scaling": sizes}
            )

    def _data(self, unit: Unit, splits: Sequence[Split] = ()) -> TrainingData:
        functionals, frames, *_ = self._read(unit.features)
        return TrainingData(
            task=self._dataset.task,
            functionals=functionals.values,
            target=self._dataset.target(unit.target),
            splits=splits,
            grid=self._settings.grid,
            seed=unit.seed,
            device=self._device,
            rounding=functionals.rounding,
            frames=frames,
            frame_heads=self._settings.frame_heads,
            name=f"scaling-{unit.seed}",
        )

    def _read(self, features: str) -> HeadInputs:
        if self._held is None or self._held[0] != features:
            settings = self._settings
            early = self._early[features]
            read = read_inputs(self._dataset, early, self._head, settings.frames_mb, self._device)
            self._held = (features, read)
        return self._held[1]

    def _search(
        self, unit: Unit, subsets: Sequence[Subset], on_models: Callable[[int], None]
    ) -> Iterator[pd.DataFrame]:
        """Select on a dev part of each subset, train on all of it, and predict."""
        splits = [
            draw_dev(
                Split(str(place), one.train, (), self._folds[one.fold].test),
                self._dataset.utterances,
                seed=unit.seed,
            )
            for place, one in enumerate(subsets)
        ]
        if self._labels is not None:
            cut = [o._replace(train=s.train) for o, s in zip(subsets, splits, strict=True)]
            require_two_classes(cut, self._labels)
        found = search(self._head, self._data(unit, splits), on_models=on_models).predictions
        by_place = {str(place): own for place, own in found.groupby("fold", sort=False)}
        return (_slim(by_place[str(place)]) for place in range(len(subsets)))

    def _fit_once(
        self, unit: Unit, subsets: Sequence[Subset], on_models: Callable[[int], None]
    ) -> Iterator[pd.DataFrame]:
        """Fit each subset on one thread, several side by side; that of all utterances once."""
        data = self._data(unit)
        whole = [len(fold.train) + len(fold.dev) for fold in self._folds]

        def place_of(one: Subset) -> tuple[str, str, int] | None:
            is_whole = len(one.train) == whole[one.fold]
            return (unit.features, unit.target, one.fold) if is_whole else None

        todo: dict[tuple[str, str, int] | int, Subset] = {}
        for number, one in enumerate(subsets):
            key = place_of(one)
            if key is None or key not in self._of_all:
                todo[number if key is None else key] = one
        found: dict[Any, pd.DataFrame] = dict(self._of_all)
        # Each fit sets the limit and puts back what it found, which must be the same for all.
        with threadpool_limits(limits=1), ThreadPoolExecutor(torch.get_num_threads()) as pool:
            made = pool.map(lambda one: self._fitted(data, one), todo.values())
            for key, table in zip(todo, made, strict=True):
                found[key] = table
                on_models(1)
        self._of_all |= {key: found[key] for key in todo if isinstance(key, tuple)}
        on_models(len(subsets) - len(todo))
        places = [place_of(one) for one in subsets]
        return (found[number if key is None else key] for number, key in enumerate(places))

    def _fitted(self, data: TrainingData, subset: Subset) -> pd.DataFrame:
        ids, test = list(subset.train), list(self._folds[subset.fold].test)
        own = _of_ids(data, ids)
        fitted = self._head.fit_all(own, Choice(0))
        outputs = fitted.predict(data, test)
        table = data.task.prediction_table(data.targets(test), outputs, data.classes)
        return _slim(table.assign(id=test))


def _of_ids(data: TrainingData, ids: list[str]) -> TrainingData:
    """Return training data of some utterances, with the classes of all."""
    rounding = None if data.rounding is None else data.rounding.loc[ids]
    return replace(data, functionals=data.functionals.loc[ids], rounding=rounding)


def _slim(table: pd.DataFrame) -> pd.DataFrame:
    """Return what scores are made of, without probabilities."""
    known = [name for name in ("id", "label", "truth", "prediction") if name in table]
    return table[known]
