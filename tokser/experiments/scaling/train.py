"""One order of speakers and utterances: a model of each of its subsets, and what it predicts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tokser.device import resolve_device
from tokser.experiments.dataset import Dataset, ExperimentSettings
from tokser.experiments.head_inputs import HeadInputs, read_inputs
from tokser.experiments.heads.head import Choice, Head
from tokser.experiments.heads.per_fold import PerFoldHead
from tokser.experiments.ledger import Ledger
from tokser.experiments.scaling.subsets import Subset, require_two_classes
from tokser.experiments.search import SearchResult, search
from tokser.experiments.splits.dev_part import draw_dev
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData
from tokser.experiments.units import Unit
from tokser.threads import num_threads

__all__ = ["SubsetTrainer"]

_Place: TypeAlias = "tuple[str, str, int] | int"
"""Of predictions: number of the subset; feature, target and fold where all utterances are in."""


class SubsetTrainer:
    """Trains a head on the subsets of a draw.

    Args:
        dataset: Task, utterances, functionals.
        settings: Grid, device, ledger.
        head: What is trained.
        folds: Whose test parts are predicted.
        draw: Makes the subsets of a seed; of every seed there are as many.
        ledger: Where evaluations are recorded.
    """

    def __init__(
        self,
        dataset: Dataset,
        settings: ExperimentSettings,
        head: Head,
        folds: Sequence[Split],
        draw: Callable[[int], Iterable[Subset]],
        ledger: Ledger,
    ) -> None:
        self._dataset, self._settings, self._head = dataset, settings, head
        self._folds, self._draw, self._ledger = folds, draw, ledger
        self._device = str(resolve_device(settings.device)) if head.is_network else "cpu"
        self._early = {str(early): early for early in dataset.trained}
        self._held: tuple[str, HeadInputs] | None = None
        self._of_all: dict[_Place, np.ndarray] = {}
        self._num_subsets: int | None = None

    @property
    def _plain_head(self) -> PerFoldHead | None:
        """The head, if there is nothing to select: one candidate, without epochs."""
        head = self._head
        if not isinstance(head, PerFoldHead) or not head.fits_side_by_side:
            return None
        return head if head.num_points(self._settings.grid) == 1 else None

    def num_models(self, unit: Unit) -> int:
        """Count the models of a unit."""
        if self._num_subsets is None:
            self._num_subsets = sum(1 for _ in self._draw(unit.seed))
        number = self._num_subsets
        return number if self._plain_head else self._head.num_models(number, self._settings.grid)

    def run(self, unit: Unit, on_models: Callable[[int], None]) -> SearchResult:
        """Train on every subset of a draw, and predict the test part of its fold.

        Returns:
            Predictions with the columns fold, varied, size, id, truth (of classes: label) and
            prediction; as trials a row of each subset.
        """
        subsets, data = list(self._draw(unit.seed)), self._data(unit)
        self._record(unit, subsets)
        plain = self._plain_head
        if plain is None:
            predicted = self._search(data, subsets, on_models)
        else:
            predicted = self._fit_once(plain, unit, data, subsets, on_models)
        truth = "label" if data.classes else "truth"
        tables = []
        for one, guess in zip(subsets, predicted, strict=True):
            test = list(self._folds[one.fold].test)
            known = data.target.loc[test].to_numpy()
            key = {"fold": str(one.fold), "varied": one.varied, "size": one.size}
            tables.append(pd.DataFrame({**key, "id": test, truth: known, "prediction": guess}))
        counts = [
            {
                "fold": str(one.fold),
                "varied": one.varied,
                "size": one.size,
                "num_speakers": one.num_speakers,
                "num_train": len(one.train),
                "lacks_class": len(one.classes) < len(data.classes),
            }
            for one in subsets
        ]
        return SearchResult(pd.concat(tables, ignore_index=True), pd.DataFrame(counts))

    def _record(self, unit: Unit, subsets: Sequence[Subset]) -> None:
        """Write into the ledger that the test parts are evaluated, at which sizes."""
        sizes = {
            varied: sorted({one.size for one in subsets if one.varied == varied})
            for varied in ("speakers", "utterances")
        }
        named = unit.named(self._dataset.task.tables)
        what = {"dataset": self._settings.dataset, **named, "configuration": {"scaling": sizes}}
        self._ledger.record_all([(fold, what) for fold in self._folds])

    def _data(self, unit: Unit) -> TrainingData:
        if self._held is None or self._held[0] != unit.features:
            early, budget = self._early[unit.features], self._settings.frames_mb
            read = read_inputs(self._dataset, early, self._head, budget, self._device)
            self._held = (unit.features, read)
        functionals, frames, *_ = self._held[1]
        return TrainingData(
            task=self._dataset.task,
            functionals=functionals.values,
            target=self._dataset.target(unit.target),
            splits=(),
            grid=self._settings.grid,
            seed=unit.seed,
            device=self._device,
            rounding=functionals.rounding,
            frames=frames,
            frame_heads=self._settings.frame_heads,
            name=f"scaling-{unit.seed}",
        )

    def _search(
        self, data: TrainingData, subsets: Sequence[Subset], on_models: Callable[[int], None]
    ) -> Iterator[np.ndarray]:
        """Select on a dev part of each subset, train on all of it, and predict."""
        splits = [
            draw_dev(
                Split(str(place), one.train, (), self._folds[one.fold].test),
                self._dataset.utterances,
                seed=data.seed,
            )
            for place, one in enumerate(subsets)
        ]
        if data.classes:
            cut = [
                one._replace(classes=tuple(sorted(set(data.target.loc[list(split.train)]))))
                for one, split in zip(subsets, splits, strict=True)
            ]
            require_two_classes(cut)
        done = search(self._head, replace(data, splits=splits), on_models=on_models).predictions
        by_place = {str(place): own for place, own in done.groupby("fold", sort=False)}
        return (by_place[str(place)]["prediction"].to_numpy() for place in range(len(subsets)))

    def _fit_once(
        self,
        head: PerFoldHead,
        unit: Unit,
        data: TrainingData,
        subsets: Sequence[Subset],
        on_models: Callable[[int], None],
    ) -> Iterator[np.ndarray]:
        """Fit each subset on one thread, several side by side; that of all utterances once."""
        whole = [len(fold.train) + len(fold.dev) for fold in self._folds]
        places: list[_Place] = [
            (unit.features, unit.target, one.fold) if len(one.train) == whole[one.fold] else number
            for number, one in enumerate(subsets)
        ]
        todo = {
            place: one
            for place, one in zip(places, subsets, strict=True)
            if place not in self._of_all
        }
        found = dict(self._of_all)
        at_once = num_threads()  # before the limit, which torch shares
        with threadpool_limits(limits=1), ThreadPoolExecutor(at_once) as pool:
            made = pool.map(lambda one: self._predicted(head, data, one), todo.values())
            for place, guess in zip(todo, made, strict=True):
                found[place] = guess
                on_models(1)
        self._of_all |= {place: found[place] for place in todo if isinstance(place, tuple)}
        on_models(len(subsets) - len(todo))
        return (found[place] for place in places)

    def _predicted(self, head: PerFoldHead, data: TrainingData, subset: Subset) -> np.ndarray:
        ids = list(subset.train)
        rounding = None if data.rounding is None else data.rounding.loc[ids]
        own = replace(data, functionals=data.functionals.loc[ids], rounding=rounding)
        fitted = head.fit_all_here(own, Choice(0))
        outputs = fitted.predict(data, list(self._folds[subset.fold].test))
        return data.task.decide(outputs, data.classes)
