"""The models of an experiment's folds, each a model folder: what `--save-models` keeps.

`models/models.csv` says which folder is which: features, protocol, target, head, seed, fold. What
is made of several heads in a fold (an average, a choice by dev) names the folders of its members.
"""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tokser.checksummed_folder import INDEX, ChecksummedFolder
from tokser.experiments.classification import late_weights
from tokser.experiments.combinations import Outcome
from tokser.experiments.dataset import Dataset, ExperimentSettings
from tokser.experiments.feature_expressions import Early
from tokser.experiments.head_inputs import read_inputs
from tokser.experiments.heads.registry import find_head
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.models.aligners import find_aligners, places_of_runs
from tokser.experiments.models.document import describe
from tokser.experiments.models.folder import DESCRIPTION, WEIGHTS, load_model, write_model
from tokser.experiments.models.list_of_folds import LIST, MODELS
from tokser.experiments.models.member import Member
from tokser.experiments.models.model import Averaging, Model, kind_of
from tokser.experiments.models.recipe import FeatureRecipe
from tokser.experiments.models.tuned import find_tuned, places_of_folds
from tokser.experiments.units import Unit, part_name
from tokser.provenance import digest_of

__all__ = ["FoldModels"]

_HOWS: dict[str, Averaging] = {"mean": "mean", "weighted": "weighted"}


class FoldModels:
    """Keeps the models of folds in the folder of an experiment.

    Args:
        dataset: Features, splits, the task.
        settings: Of the experiment.
        inputs: Identities of everything that it reads.
    """

    def __init__(
        self, dataset: Dataset, settings: ExperimentSettings, inputs: Mapping[str, Any]
    ) -> None:
        self._dataset, self._settings = dataset, settings
        self._inputs = dict(inputs)
        self._out = settings.out
        self._early = {str(early): early for early in dataset.trained}
        self._read: dict[tuple[str, str], tuple[Early, tuple[int, ...]]] = {}
        self._recipes: dict[str, FeatureRecipe] = {}

    def files(self, unit: Unit) -> list[str]:
        """Return the names of the files that a unit's models lie in."""
        return [
            f"{folder}/{name}"
            for folder in self._folders(unit).values()
            for name in (WEIGHTS, DESCRIPTION)
        ]

    def keep(self, unit: Unit, fitted: Mapping[str, FittedHead]) -> None:
        """Write the models of a unit, by fold."""
        features, widths = self._read_by(unit)
        for fold, folder in self._folders(unit).items():
            member = Member(features, widths, fitted[fold], unit.head)
            self._write(self._model(unit, fold, unit.features, (member,)), folder)

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Write what is made of several heads, and the list of all models."""
        dev_scores = {outcome.unit: outcome.dev_score for outcome in outcomes}
        for outcome in outcomes:
            if outcome.how is not None:
                self._combine(outcome, dev_scores)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        tables = self._dataset.task.tables
        writer.writerow(["folder", *tables.unit, "fold"])
        for outcome in outcomes:
            named = [str(value) for value in outcome.unit.named(tables).values()]
            for fold, folder in self._folders(outcome.unit).items():
                writer.writerow([folder, *named, fold])
        ChecksummedFolder(self._out).put({LIST: text.getvalue().encode()})

    def _combine(self, outcome: Outcome, dev_scores: Mapping[Unit, Mapping[str, float]]) -> None:
        for fold, folder in self._folders(outcome.unit).items():
            selected = outcome.selected.get(fold)
            units = [selected] if selected is not None else list(outcome.members)
            places = [self._folders(unit)[fold] for unit in units]
            members = tuple(load_model(self._out / place).members[0] for place in places)
            how = "single" if selected is not None else _HOWS[str(outcome.how)]
            weights: tuple[float, ...] = ()
            if how == "weighted":
                on_dev = [dev_scores[unit][fold] for unit in units]
                num_classes = len(self._classes(outcome.unit))
                weights = tuple(late_weights(on_dev, num_classes).tolist())
            model = self._model(outcome.unit, fold, outcome.unit.features, members, how, weights)
            here = tuple(os.path.relpath(place, folder).replace(os.sep, "/") for place in places)
            self._write(model, folder, here)

    def _write(self, model: Model, folder: str, members: tuple[str, ...] = ()) -> None:
        place = self._out / folder
        content = digest_of(describe(model, members))
        if ChecksummedFolder(place).made_of != content:
            ChecksummedFolder(place).begin(content)
        names = write_model(model, place, members)
        noted = [f"{folder}/{name}" for name in (*names, INDEX)]
        ChecksummedFolder(self._out).note(*noted)

    def _model(
        self,
        unit: Unit,
        fold: str,
        features: str,
        members: tuple[Member, ...],
        how: Averaging = "single",
        weights: tuple[float, ...] = (),
    ) -> Model:
        task = self._dataset.task
        (split,) = [
            s for s in self._dataset.plans[unit.protocol].folds(unit.seed) if s.fold == fold
        ]
        key = unit.named(task.tables)
        trained = {"train": list(split.train), "dev": list(split.dev), "test": list(split.test)}
        return Model(
            task=kind_of(task),
            target=unit.target,
            dataset=self._settings.dataset,
            features=features,
            classes=self._classes(unit),
            members=members,
            how=how,
            weights=weights,
            recipe=self._recipe(features, members),
            standardise=self._settings.standardise,
            provenance={
                "fold": fold,
                **key,
                "refit": self._settings.refit,
                "split_digest": digest_of(trained),
                **{f"num_{part}": len(ids) for part, ids in trained.items()},
                "inputs": self._inputs,
            },
        )

    def _classes(self, unit: Unit) -> tuple[str, ...]:
        return self._dataset.task.classes(self._dataset.target(unit.target))

    def _recipe(self, features: str, members: Sequence[Member]) -> FeatureRecipe:
        key = features if len(members) > 1 else str(members[0].features)
        if key not in self._recipes:
            dataset = self._dataset
            terms = dict.fromkeys(t for member in members for t in member.terms)
            aligners = find_aligners(
                dataset.store, terms, places_of_runs(dataset.store.path), is_needed=False
            )
            languages = sorted(set(dataset.utterances["language"]) - {""})
            recipe = FeatureRecipe.of_store(
                dataset.store, terms, languages=languages, aligners=aligners
            )
            tuned = find_tuned(recipe, places_of_folds(dataset.store.path), is_needed=False)
            self._recipes[key] = replace(recipe, tuned=tuned)
        return self._recipes[key]

    def _read_by(self, unit: Unit) -> tuple[Early, tuple[int, ...]]:
        """Return what a unit's models read, and the width of each of its terms."""
        key = (unit.features, unit.head)
        if key not in self._read:
            head = find_head(unit.head, self._dataset.task)
            read = read_inputs(self._dataset, self._early[unit.features], head)
            self._read[key] = (read.features, read.widths)
        return self._read[key]

    def _folders(self, unit: Unit) -> dict[str, str]:
        """Return the folder of each fold's model."""
        name = part_name(unit, self._dataset.task.tables)
        folds = self._dataset.plans[unit.protocol].folds(unit.seed)
        return {
            split.fold: f"{MODELS}/{name}/fold-{number:03d}" for number, split in enumerate(folds)
        }
