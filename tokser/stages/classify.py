"""Stage 5: grids of classifiers on the functionals of a store, under several protocols."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tokser.config import ClassifySettings, GridSettings
from tokser.device import resolve_device
from tokser.errors import list_some
from tokser.experiments.constant_columns import ConstantColumns
from tokser.experiments.dataset import (
    Functionals,
    Material,
    choose,
    identities,
    load,
    setup_of,
)
from tokser.experiments.evaluations import open_ledger, restore_ledger
from tokser.experiments.feature_expressions import Early
from tokser.experiments.heads.sklearn import BASELINES, num_fits, search_baseline
from tokser.experiments.ledger import LEDGER, Ledger
from tokser.experiments.outcomes import Outcome, combined_outcomes, trained_outcomes
from tokser.experiments.runs import Unit, parquet_bytes, plan_units, run_units
from tokser.experiments.scoring import COLUMNS, make_tables
from tokser.experiments.search import Found, num_models, search_mlp
from tokser.experiments.splits.files import format_splits
from tokser.experiments.splits.protocols import Split
from tokser.progress import say
from tokser.provenance import Stamp
from tokser.scheduling import Workers, workers
from tokser.sealed import SealedFolder
from tokser.store import Store, open_store

__all__ = ["classify"]


def classify(settings: ClassifySettings) -> Path:
    """Score every feature expression under every protocol with every classifier.

    Finished units are kept in `parts/`, so the same call goes on where it was stopped.

    Returns:
        The output folder: `results.csv` (a row for each seed), `summary.csv` (over seeds),
        `classes.csv`, `confusion.csv`, `comparisons.csv`, `choices.csv`, `predictions.parquet`,
        `grid.csv`, `splits.json`, `audit.json`, `ledger.jsonl`, and `provenance.json` last.

    Raises:
        StoreMismatchError: The store holds another dataset.
        SettingsError: An expression is wrong, a feature unknown or not pooled, or `out` holds other
            results.
        InputError: Labels, functionals or splits are not fit for training, or the shared ledger is
            damaged.
    """
    store = open_store(settings.store, check=settings.check)
    expressions = choose(store, settings)
    stamp = Stamp(
        "classify", settings.model_dump(mode="json"), identities(store, expressions, settings)
    )
    if stamp.marks(settings.out):
        say(f"classify: already in {settings.out}")
        return settings.out
    stamp.require_own(settings.out)
    device = resolve_device(settings.device)
    material = load(store, expressions, settings, _labelled(store, settings))
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    units = list(
        plan_units(
            material.trained, material.plans, settings.classifiers, seeds, draws=_draws_numbers
        )
    )
    ledger = open_ledger(settings, stamp, material)
    with stamp.claim(settings.out):
        label = f"classify {settings.dataset}"
        restore_ledger(settings.out, ledger)
        with _workers(settings) as found:
            runner = _Runner(settings, material, device, ledger, found)
            run_units(units, settings.out, label, runner.num_models, runner.run)
        trained = trained_outcomes(units, settings.out)
        combined = combined_outcomes(material, trained, ledger, settings.dataset)
        _write(settings, material, [*trained, *combined])
        stamp.write(settings.out)
    return settings.out


class _Runner:
    """Runs units."""

    def __init__(
        self,
        settings: ClassifySettings,
        material: Material,
        device: torch.device,
        ledger: Ledger,
        workers: Workers | None,
    ) -> None:
        self._settings, self._material, self._workers = settings, material, workers
        self._device, self._ledger = device, ledger
        self._early = {str(early): early for early in material.trained}
        self._held: tuple[Early, Functionals] | None = None
        self._constant = ConstantColumns()

    def num_models(self, unit: Unit) -> int:
        """Count the models that a unit trains."""
        splits = self._material.plans[unit.protocol].folds(unit.seed)
        grid = self._grid(unit)
        if unit.classifier in BASELINES:
            return num_fits(unit.classifier, splits, grid, refit=self._settings.refit)
        return num_models(splits, grid, refit=self._settings.refit)

    def run(self, unit: Unit, on_models: Callable[[int], None]) -> Found:
        """Train and test one unit."""

        def before_test(split: Split, chosen: dict[str, float]) -> None:
            self._ledger.record(
                split, dataset=self._settings.dataset, **unit._asdict(), configuration=chosen
            )

        functionals = self._functionals(self._early[unit.features])
        splits = self._material.plans[unit.protocol].folds(unit.seed)
        self._constant.tell(functionals, unit.protocol, splits)
        data = (functionals.values, self._material.utterances["label"], splits, self._grid(unit))
        options: dict[str, Any] = {
            "seed": unit.seed,
            "rounding": functionals.rounding,
            "refit": self._settings.refit,
            "on_models": on_models,
            "before_test": before_test,
        }
        if unit.classifier in BASELINES:
            return search_baseline(unit.classifier, *data, **options)
        return search_mlp(*data, device=self._device, workers=self._workers, **options)

    def _grid(self, unit: Unit) -> GridSettings:
        """Return the grid; a linear probe is the MLP without hidden layers."""
        grid = self._settings.grid
        return grid.model_copy(update={"hidden": ()}) if unit.classifier == "linear" else grid

    def _functionals(self, early: Early) -> Functionals:
        """Read functionals, or return those read last: the units of a sum follow each other."""
        if self._held is None or self._held[0] != early:
            self._held = (early, self._material.functionals(early))
        return self._held[1]


def _labelled(store: Store, settings: ClassifySettings) -> pd.DataFrame:
    """Leave out utterances without a label, unless a file of splits says what is used.

    Where nobody has one they stay, for the protocols to refuse.
    """
    utterances = store.utterances
    bare = utterances["label"].eq("")
    if settings.splits_file is not None or bare.all() or not bare.any():
        return utterances
    names = list(utterances.index[bare])
    say(f"{len(names)} utterances have no label and are left out: {list_some(names)}")
    return utterances[~bare]


@contextmanager
def _workers(settings: ClassifySettings) -> Iterator[Workers | None]:
    """Reach the workers that are asked for; without, everything is trained here."""
    if settings.scheduler is None and settings.cluster is None:
        yield None
        return
    with workers(settings.scheduler, settings.cluster) as found:
        yield found


def _draws_numbers(classifier: str) -> bool:
    """Tell whether a classifier's result depends on the seed."""
    return classifier not in ("logreg", "svm")


def _setup(settings: ClassifySettings) -> str:
    """Say in words what departs from the usual training."""
    found = [
        *setup_of(settings),
        "class weights" if settings.grid.class_weights else "",
        f"early stopping {settings.grid.early_stopping}" if settings.grid.early_stopping else "",
    ]
    return ", ".join(filter(None, found))


def _write(settings: ClassifySettings, material: Material, outcomes: Sequence[Outcome]) -> None:
    """Write the files that users read."""
    tables = make_tables(
        outcomes,
        material,
        dataset=settings.dataset,
        setup=_setup(settings),
        seed=settings.seed,
    )
    predictions, trials = [], []
    for outcome in outcomes:
        key = outcome.unit._asdict()
        stamp = material.audits[outcome.unit.protocol].stamp
        predictions.append(outcome.predictions.assign(**key, stamp=stamp))
        if outcome.trials is not None:
            trials.append(outcome.trials.assign(dataset=settings.dataset, **key, stamp=stamp))
    audits = {protocol: audit.to_json() for protocol, audit in material.audits.items()}
    together = pd.concat(predictions, ignore_index=True)
    files = {
        "splits.json": format_splits(material.plans).encode(),
        "audit.json": _json(audits),
        "grid.csv": _csv(_ordered(_joined(trials))),
        "predictions.parquet": parquet_bytes(_ordered(together)),
    }
    for name, columns in COLUMNS.items():
        table = pd.DataFrame(getattr(tables, name), columns=list(columns))
        files[f"{name}.csv"] = _csv(table)
    sealed = SealedFolder(settings.out)
    sealed.put(files)
    sealed.note(LEDGER)


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables below each other; whole numbers stay whole where another table lacks them."""
    whole = dict.fromkeys(("batch_size", "best_epoch", "num_constant"), "Int64")
    return pd.concat([table.astype(whole) for table in tables], ignore_index=True)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Put the columns that say what a row is in front."""
    keys = ["dataset", "id", "features", "protocol", "classifier", "seed", "fold"]
    front = [key for key in keys if key in table]
    return table[front + [column for column in table if column not in front]]


def _csv(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index=False, lineterminator="\n")).encode()


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode()
