"""One experiment from a store to a folder of results, whatever the task.

Read the expressions, check targets, features and splits, train what is not trained yet, combine,
score, write. Every finished unit is kept in `parts/`, so the same call goes on where it was
stopped; a test part is written into the ledger before it is predicted.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config.experiments import GROUP_SETTINGS
from tokser.device import resolve_device
from tokser.errors import SettingsError
from tokser.experiments.calibration.plan import plan_calibration, require_speakers
from tokser.experiments.combinations import Outcome, combined_outcomes, trained_outcomes
from tokser.experiments.constant_columns import ConstantColumns
from tokser.experiments.dataset import (
    Dataset,
    ExperimentSettings,
    identities,
    load,
    read_expressions,
    setup_of,
)
from tokser.experiments.evaluations import open_ledger, restore_ledger
from tokser.experiments.fairness.files import fairness_files
from tokser.experiments.fairness.groupings import Grouping, find_groupings
from tokser.experiments.feature_expressions import Early
from tokser.experiments.fold_study import JOURNAL, require_optuna
from tokser.experiments.head_inputs import HeadInputs, read_inputs
from tokser.experiments.heads.fold_processes import Beside, fold_processes
from tokser.experiments.heads.head import Head, Workers
from tokser.experiments.heads.registry import find_head
from tokser.experiments.heads.searched import SearchedHead
from tokser.experiments.heads.suited import require_suited
from tokser.experiments.joined_store import JoinedStore, open_stores
from tokser.experiments.ledger import LEDGER, Ledger
from tokser.experiments.models.list_of_folds import holds_models
from tokser.experiments.results import SHARED, Table
from tokser.experiments.scoring import corpus_rows, make_rows
from tokser.experiments.search import SearchResult, Selected, search, search_seeds
from tokser.experiments.splits.atlas import leak_atlas
from tokser.experiments.splits.files import format_splits
from tokser.experiments.splits.protocols import Split
from tokser.experiments.splits.recordings import recordings
from tokser.experiments.task import Task
from tokser.experiments.training_data import TrainingData
from tokser.experiments.units import Unit, part_name, plan_units, run_units, seeds_together
from tokser.progress import say
from tokser.provenance import Stamp, without_later

if TYPE_CHECKING:
    from tokser.experiments.calibration.rows import CalibrationPlan
    from tokser.experiments.models.of_folds import FoldModels
else:  # few experiments are calibrated, or keep models
    CalibrationPlan = FoldModels = Any

__all__ = ["MoreFiles", "run_experiment", "stamp_of"]

MoreFiles = Callable[[Mapping[Table, Sequence[Mapping[str, Any]]]], Mapping[str, bytes]]
"""Makes files, by name, out of the rows of the tables."""


def run_experiment(
    task: Task,
    settings: ExperimentSettings,
    heads: Sequence[str] | Mapping[str, Head],
    workers: AbstractContextManager[Workers | None] | None = None,
    dataset: Dataset | None = None,
    *,
    command: str = "",
    inputs: Mapping[str, Any] = MappingProxyType({}),
    more_files: MoreFiles | None = None,
) -> Path:
    """Score every feature expression under every protocol, for every target, with every head.

    Args:
        task: What is predicted.
        settings: Store, features, protocols, grid, folder.
        heads: Names of what is trained, or heads by name.
        workers: Processes that networks are trained by, entered when training begins.
        dataset: What `load` makes of the store by these settings; None: it is loaded here.
        command: What the folder says that it was made by; empty: the task's command.
        inputs: Identities of further inputs, beside what is read from the store.
        more_files: Makes further files of the folder out of the rows of its tables.

    Returns:
        The output folder: the task's tables, `splits.json`, `audit.json`, `ledger.jsonl`, and
        `provenance.json` last.

    Raises:
        StoreMismatchError: The store holds another dataset.
        SettingsError: An expression is wrong, a feature unknown or not pooled, or `out` holds other
            results.
        InputError: Targets, functionals or splits are not fit for training, or the shared ledger
            is damaged.
    """
    command = command or task.tables.command
    if settings.save_models and not task.keeps_models:
        raise SettingsError(
            "--save-models",
            expected="--labels single",
            got=f"models of {task.tables.task}, which have no folder of their own yet",
            remedy="Leave --save-models out: predictions.parquet has what they predict.",
        )
    store = open_stores(settings.store, settings.dataset, check=settings.check)
    expressions = read_expressions(store, task, settings)
    with fold_processes(heads, len(expressions), len(store.ids)) as processes:
        by_name = dict(heads) if isinstance(heads, Mapping) else _heads(task, settings, heads)
        calibration = plan_calibration(task, settings, by_name)
        reads_frames = require_suited(store, expressions, by_name, task.loss)
        inputs = {**identities(store, expressions, settings, reads_frames=reads_frames), **inputs}
        stamp = stamp_of(task, settings, inputs, command)
        keeps = settings.save_models or holds_models(settings.out)
        is_told = stamp.agrees(settings.out, GROUP_SETTINGS) and keeps is holds_models(settings.out)
        if stamp.marks(settings.out) and is_told:
            say(f"{command}: already in {settings.out}")
            return settings.out
        stamp.require_own(settings.out)
        is_network = any(head.is_network for head in by_name.values())
        device = str(resolve_device(settings.device)) if is_network else "cpu"
        if dataset is None:
            dataset = load(store, task, expressions, settings)
        groupings = find_groupings(dataset.utterances, settings.by, settings.age_bands)
        if calibration is not None:
            require_speakers(dataset)
        with_dev = calibration is not None and calibration.by == "dev"
        seeds = range(settings.seed, settings.seed + settings.num_seeds)
        units = list(plan_units(dataset.trained, dataset.plans, task, by_name, seeds))
        ledger = open_ledger(settings, stamp, dataset)
        with stamp.claim(settings.out):
            restore_ledger(settings.out, ledger)
            with workers or nullcontext() as entered:
                runner = _Runner(
                    dataset, settings, by_name, ledger, device, entered, processes, with_dev
                )
                label = f"{command} {settings.dataset}"
                models = _fold_models(dataset, settings, inputs) if keeps else None
                count, run = runner.num_models, runner.run
                where = (task.tables, settings.out)
                together = seeds_together(units, runner.share_seeds)
                run_units(together, *where, label, count, run, models, with_dev=with_dev)
            processes.no_more_folds()
            trained = trained_outcomes(units, task, settings.out, with_dev=with_dev)
            combined = combined_outcomes(dataset, trained, ledger, settings.dataset)
            if models is not None:
                models.finish([*trained, *combined])
            _write(dataset, settings, [*trained, *combined], groupings, more_files, calibration)
            stamp.write(settings.out)
    return settings.out


def _fold_models(
    dataset: Dataset, settings: ExperimentSettings, inputs: Mapping[str, Any]
) -> "FoldModels":
    from tokser.experiments.models.of_folds import FoldModels

    return FoldModels(dataset, settings, inputs)


def _heads(task: Task, settings: ExperimentSettings, names: Sequence[str]) -> dict[str, Head]:
    """Return the heads by name, and refuse settings that they have no use for."""
    found = {name: find_head(name, task, settings.head_grid) for name in dict.fromkeys(names)}
    if settings.search == "optuna":
        require_optuna()
        journal = settings.out / JOURNAL
        found = {
            name: head
            if head.space(settings.grid) is None
            else SearchedHead(head, settings.trials, journal)
            for name, head in found.items()
        }
    for head in found.values():
        head.require_settings(settings.grid)
    return found


def stamp_of(
    task: Task, settings: ExperimentSettings, inputs: Mapping[str, Any], command: str = ""
) -> Stamp:
    """Return what an experiment is known by: its settings, and the data behind its features.

    Args:
        task: What is predicted.
        settings: Features, protocols, grid; where the folder lies does not matter.
        inputs: Identities of the data, see `identities`.
        command: What it is run by; empty: the task's command.
    """
    return Stamp(command or task.tables.command, _first_settings(task, settings), inputs)


def _first_settings(task: Task, settings: ExperimentSettings) -> dict[str, Any]:
    """Return settings as the first version wrote them, by which folders are recognised.

    Heads are its `classifiers` or `regressors`; settings that came later are left out as long as
    they change nothing.
    """
    written = without_later(settings.model_dump(mode="json"), task.later_settings)
    names = {"heads": f"{task.tables.head}s"}
    return {names.get(key, key): value for key, value in written.items()}


class _Runner:
    """Runs units."""

    def __init__(
        self,
        dataset: Dataset,
        settings: ExperimentSettings,
        heads: dict[str, Head],
        ledger: Ledger,
        device: str,
        workers: Workers | None,
        processes: Beside,
        with_dev: bool,
    ) -> None:
        self._dataset, self._settings, self._heads = dataset, settings, heads
        self._ledger, self._device, self._workers = ledger, device, workers
        self._processes, self._with_dev = processes, with_dev
        self._early = {str(early): early for early in dataset.trained}
        self._held: tuple[Early, str, HeadInputs] | None = None
        self._constant = ConstantColumns()

    def num_models(self, unit: Unit) -> int:
        """Count the models that a unit trains."""
        num_folds = len(self._splits(unit))
        settings = self._settings
        return self._heads[unit.head].num_models(num_folds, settings.grid, refit=settings.refit)

    def share_seeds(self, unit: Unit) -> bool:
        """Tell whether the seeds of a unit train together: on the same folds, and batches."""
        follows_seed = self._dataset.plans[unit.protocol].follows_seed
        return self._heads[unit.head].shares_seeds and not follows_seed

    def run(self, units: Sequence[Unit], on_models: Callable[[int], None]) -> list[SearchResult]:
        """Train and test one unit, or several that differ in their seeds alone."""
        by_seed = {unit.seed: unit for unit in units}
        unit, settings = units[0], self._settings
        tables = self._dataset.task.tables

        def before_test(seed: int, selected: Selected) -> None:
            what = {"dataset": settings.dataset, **by_seed[seed].named(tables)}
            told = [(split, {**what, "configuration": params}) for split, params in selected]
            self._ledger.record_all(told)

        head = self._heads[unit.head]
        functionals, frames, *_ = self._read(self._early[unit.features], head)
        data = TrainingData(
            task=self._dataset.task,
            functionals=functionals.values,
            target=self._dataset.target(unit.target),
            splits=self._splits(unit),
            grid=settings.grid,
            seed=unit.seed,
            device=self._device,
            rounding=functionals.rounding,
            frames=frames,
            frame_heads=settings.frame_heads,
            name=f"{unit.protocol}-seed-{unit.seed}",
        )
        self._constant.say(data, functionals.widths, unit.protocol)
        how: dict[str, Any] = {"refit": settings.refit, "on_models": on_models}
        how |= {"workers": self._workers, "predicts_dev": self._with_dev}
        if len(units) > 1:
            return search_seeds(head, data, list(by_seed), before_test=before_test, **how)
        how |= {"before_test": partial(before_test, unit.seed), "study": part_name(unit, tables)}
        how |= {"processes": self._processes}
        return [search(head, data, **how)]

    def _splits(self, unit: Unit) -> tuple[Split, ...]:
        return self._dataset.plans[unit.protocol].folds(unit.seed)

    def _read(self, early: Early, head: Head) -> HeadInputs:
        """Read what a head reads, or return what was read last: units of a sum are neighbours."""
        if self._held is None or self._held[:2] != (early, head.reads):
            read = read_inputs(self._dataset, early, head, self._settings.frames_mb, self._device)
            self._held = (early, head.reads, read)
        return self._held[2]


def _write(
    dataset: Dataset,
    settings: ExperimentSettings,
    outcomes: Sequence[Outcome],
    groupings: Sequence[Grouping],
    more_files: MoreFiles | None,
    calibration: CalibrationPlan | None,
) -> None:
    """Write the files that users read."""
    task, tables = dataset.task, dataset.task.tables
    setup = setup_of(task, settings)
    name, seed = settings.dataset, settings.seed
    rows = make_rows(outcomes, dataset, name=name, setup=setup, seed=seed)
    files = {
        table.file: table.content_of(own)
        for table, own in rows.items()
        if own or table.file != tables.mixes.file
    }
    predictions, trials = [], []
    for outcome in outcomes:
        key: dict[str, Any] = {"dataset": name, **outcome.unit.named(tables)}
        key["stamp"] = (
            dataset.audits[outcome.unit.protocol].of_features(outcome.unit.features).stamp
        )
        predictions.append(outcome.predictions.assign(**key))
        if outcome.trials is not None:
            trials.append(tables.grid.ordered(outcome.trials.assign(**key)))
    audits = {protocol: audit.to_json() for protocol, audit in dataset.audits.items()}
    files |= {
        tables.grid.file: tables.grid.content(pd.concat(trials, ignore_index=True)),
        tables.predictions.file: tables.predictions.content(
            pd.concat(predictions, ignore_index=True)
        ),
        "splits.json": format_splits(dataset.plans).encode(),
        "audit.json": json.dumps(audits, indent=1, ensure_ascii=False).encode(),
    }
    if isinstance(dataset.store, JoinedStore) and more_files is None:
        by_corpus = corpus_rows(outcomes, dataset, name=name, setup=setup)
        files[tables.corpora.file] = tables.corpora.content_of(by_corpus)
    if settings.splits_file is not None:
        folds = {protocol: plan.every_fold() for protocol, plan in dataset.plans.items()}
        atlas = leak_atlas(folds, dataset.utterances, recordings(dataset.store))
        files[SHARED.file] = SHARED.content_of(atlas)
    files |= fairness_files(outcomes, dataset, groupings, name=name, setup=setup, seed=seed)
    if calibration is not None:
        from tokser.experiments.calibration.rows import calibration_rows

        made = calibration_rows(outcomes, dataset, calibration, name=name, setup=setup)
        files |= {table.file: table.content_of(own) for table, own in made.items()}
    files |= more_files(rows) if more_files is not None else {}
    checksummed = ChecksummedFolder(settings.out)
    checksummed.put(files)
    checksummed.note(LEDGER)
