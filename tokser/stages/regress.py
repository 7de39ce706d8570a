"""Stage 5, for emotion as numbers: valence, arousal and dominance from functionals."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tokser.config import RegressSettings
from tokser.errors import InputError, SettingsError, list_some
from tokser.experiments.choices import plan_choices
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
from tokser.experiments.feature_expressions import Early, Late
from tokser.experiments.heads.regression import num_regressions, search_regressor
from tokser.experiments.ledger import LEDGER, Ledger
from tokser.experiments.results import REGRESSION
from tokser.experiments.runs import Unit, parquet_bytes, read_unit, run_units
from tokser.experiments.scoring import compare_rows, fold_spread
from tokser.experiments.search import Found
from tokser.experiments.splits.files import format_splits
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.metrics import ccc, ccc_from_sums
from tokser.experiments.statistics.unit_sums import UnitSums, estimate, sum_numbers
from tokser.progress import say
from tokser.provenance import Stamp
from tokser.sealed import SealedFolder
from tokser.store import open_store

__all__ = ["regress"]

COLUMNS = {"regression": REGRESSION.scores.names, "comparisons": REGRESSION.comparisons.names}


def regress(settings: RegressSettings) -> Path:
    """Predict each target from each sum of features under every protocol.

    Finished units are kept in `parts/`, so the same call goes on where it was stopped.

    Returns:
        The output folder: `regression.csv`, `comparisons.csv`, `predictions.parquet`, `grid.csv`,
        `splits.json`, `audit.json`, `ledger.jsonl`, and `provenance.json` last.

    Raises:
        StoreMismatchError: The store holds another dataset.
        SettingsError: A feature is unknown, not pooled, or a late fusion.
        InputError: The utterances have no such numbers, or functionals or splits are not fit.
    """
    store = open_store(settings.store, check=settings.check)
    expressions = choose(store, settings, layer_choice=False)
    late = [str(expression) for expression in expressions if isinstance(expression, Late)]
    if late:
        raise SettingsError(
            "tokser regress",
            expected="features, or sums of them",
            got=list_some(late),
            remedy="Late fusion averages probabilities of classes: use `+`, or `tokser classify`.",
        )
    inputs = identities(store, expressions, settings)
    stamp = Stamp("regress", settings.model_dump(mode="json"), inputs)
    if stamp.marks(settings.out):
        say(f"regress: already in {settings.out}")
        return settings.out
    stamp.require_own(settings.out)
    material = load(store, expressions, settings, _having(store.utterances, settings.targets))
    ledger = open_ledger(settings, stamp, material)
    with stamp.claim(settings.out):
        restore_ledger(settings.out, ledger)
        runner = _Runner(settings, material, ledger)
        tasks = list(_tasks(settings, material))
        label = f"regress {settings.dataset}"
        run_units(tasks, settings.out, label, runner.num_models, runner.run)
        found = {task: read_unit(task, settings.out) for task in tasks}
        _write(settings, material, found, _choices(settings, material, found, ledger))
        stamp.write(settings.out)
    return settings.out


class _Task(NamedTuple):
    """One sum of features and one target under one protocol, by one regressor, with one seed."""

    features: str
    protocol: str
    target: str
    regressor: str
    seed: int


def _tasks(settings: RegressSettings, material: Material) -> list[_Task]:
    """List the tasks; ridge draws nothing, so one seed is enough for it under one split."""
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    return [
        _Task(str(features), protocol, target, regressor, seed)
        for features in material.trained
        for protocol, plan in material.plans.items()
        for target in dict.fromkeys(settings.targets)
        for regressor in dict.fromkeys(settings.regressors)
        for seed in (seeds if plan.follows_seed or regressor != "ridge" else seeds[:1])
    ]


class _Runner:
    """Runs tasks."""

    def __init__(self, settings: RegressSettings, material: Material, ledger: Ledger) -> None:
        self._settings, self._material, self._ledger = settings, material, ledger
        self._early = {str(early): early for early in material.trained}
        self._held: tuple[Early, Functionals] | None = None
        self._constant = ConstantColumns()

    def num_models(self, task: _Task) -> int:
        """Count the models that a task fits."""
        splits = self._material.plans[task.protocol].folds(task.seed)
        settings = self._settings
        return num_regressions(task.regressor, splits, settings.grid, refit=settings.refit)

    def run(self, task: _Task, on_models: Callable[[int], None]) -> Found:
        """Train and test one task."""

        def before_test(split: Split, chosen: dict[str, Any]) -> None:
            self._ledger.record(
                split, dataset=self._settings.dataset, **task._asdict(), configuration=chosen
            )

        early = self._early[task.features]
        if self._held is None or self._held[0] != early:
            self._held = (early, self._material.functionals(early))
        functionals = self._held[1]
        splits = self._material.plans[task.protocol].folds(task.seed)
        self._constant.tell(functionals, task.protocol, splits)
        return search_regressor(
            task.regressor,
            functionals.values,
            self._material.utterances[task.target].astype(float),
            splits,
            self._settings.grid,
            seed=task.seed,
            rounding=functionals.rounding,
            refit=self._settings.refit,
            on_models=on_models,
            before_test=before_test,
        )


def _having(utterances: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    """Return the utterances, whose targets are all numbers."""
    absent = [target for target in targets if target not in utterances]
    if absent:
        raise InputError(
            "--target",
            expected="columns of the manifest",
            got=f"none called {list_some(absent)}",
            remedy="IEMOCAP has valence, arousal and dominance; EmoDB has none of them.",
        )
    numbers = utterances[list(targets)].apply(pd.to_numeric, errors="coerce")
    broken = [
        f"{target} of {utterance}: {_cell(utterances.at[utterance, target])}"
        for target in numbers
        for utterance in utterances.index[~np.isfinite(numbers[target].to_numpy(float))]
    ]
    if broken:
        commas = any("," in one for one in broken)
        raise InputError(
            f"--target {','.join(targets)}",
            expected="a number for every utterance",
            got=list_some(broken),
            remedy="Write decimals with a point in the manifest, and extract anew."
            if commas
            else "Complete the manifest.",
        )
    return utterances.assign(**{target: numbers[target] for target in numbers})


def _cell(value: object) -> str:
    return repr(value) if isinstance(value, str) and value else "none"


def _choices(
    settings: RegressSettings, material: Material, found: Mapping[_Task, Found], ledger: Ledger
) -> dict[_Task, tuple[pd.DataFrame, int]]:
    """Choose, in each fold, what is best on its own dev part; with the number of candidates.

    Returns:
        Predictions, by what stands for the choice.
    """
    chosen: dict[_Task, tuple[pd.DataFrame, int]] = {}
    for target in dict.fromkeys(task.target for task in found):
        tasks = {
            Unit(t.features, t.protocol, t.regressor, t.seed): t
            for t in found
            if t.target == target
        }
        for unit, members in plan_choices(material, list(tasks)):
            task = _Task(unit.features, unit.protocol, target, unit.classifier, unit.seed)
            on_dev = {member: found[tasks[member]].on_dev("dev_ccc_crossfit") for member in members}
            parts = []
            for split in material.plans[unit.protocol].folds(unit.seed):
                scores = [on_dev[member][split.fold] for member in members]
                best = members[int(np.argmax(scores))]
                told = {"chosen": best.features, "chosen_regressor": best.classifier}
                ledger.record(split, dataset=settings.dataset, **task._asdict(), configuration=told)
                table = found[tasks[best]].predictions
                parts.append(table[table["fold"] == split.fold])
            chosen[task] = pd.concat(parts, ignore_index=True), len(members)
    return chosen


def _write(
    settings: RegressSettings,
    material: Material,
    trained: Mapping[_Task, Found],
    choices: Mapping[_Task, tuple[pd.DataFrame, int]],
) -> None:
    """Write the files that users read."""
    num_candidates = dict.fromkeys(trained, 1) | {task: n for task, (_, n) in choices.items()}
    predictions = {task: result.predictions for task, result in trained.items()}
    predictions |= {task: table for task, (table, _) in choices.items()}
    setup = ", ".join(setup_of(settings))
    sampled = material.sampling_units
    rows: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    groups: dict[tuple[str, str, str], dict[_Task, pd.DataFrame]] = {}
    for task, table in predictions.items():
        groups.setdefault(task[1:4], {})[task] = table
    for (protocol, target, regressor), group in groups.items():
        audit = material.audits[protocol]
        tested: dict[str, list[pd.DataFrame]] = {}
        for task, own in group.items():
            tested.setdefault(task.features, []).append(own)
            rows.append(
                {"dataset": settings.dataset, "setup": setup, "leaks": " ".join(audit.leaks)}
                | {"stamp": audit.stamp, "num_candidates": num_candidates[task]}
                | task._asdict()
                | _scores(own, sum_numbers([own], sampled))
            )
        plain = {
            name: sum_numbers(tables, sampled)
            for name, tables in tested.items()
            if not name.startswith("best(")
        }
        comparisons += [
            {"dataset": settings.dataset, "protocol": protocol, "target": target, "setup": setup}
            | {"regressor": regressor}
            | row
            for row in compare_rows(plain, ccc_from_sums, audit.stamp, settings.seed)
        ]
    stamps = {protocol: audit.stamp for protocol, audit in material.audits.items()}
    trials = [
        result.trials.assign(**task._asdict(), stamp=stamps[task.protocol])
        for task, result in trained.items()
    ]
    together = [
        table.assign(**task._asdict(), stamp=stamps[task.protocol])
        for task, table in predictions.items()
    ]
    audits = {protocol: audit.to_json() for protocol, audit in material.audits.items()}
    sealed = SealedFolder(settings.out)
    sealed.put(
        {
            "regression.csv": _csv(pd.DataFrame(rows, columns=list(COLUMNS["regression"]))),
            "comparisons.csv": _csv(
                pd.DataFrame(comparisons, columns=list(COLUMNS["comparisons"]))
            ),
            "grid.csv": _csv(pd.concat(trials, ignore_index=True)),
            "predictions.parquet": parquet_bytes(pd.concat(together, ignore_index=True)),
            "splits.json": format_splits(material.plans).encode(),
            "audit.json": json.dumps(audits, indent=1).encode(),
        }
    )
    sealed.note(LEDGER)


def _scores(predictions: pd.DataFrame, sums: UnitSums) -> dict[str, Any]:
    """Score all folds' estimates together; CCC with its interval, and fold by fold."""
    value, interval = estimate(sums, ccc_from_sums, "correlation")
    truth, guess = (predictions[c].to_numpy(dtype=np.float64) for c in ("truth", "prediction"))
    varies = truth.std() > 0 and guess.std() > 0
    folds = pd.Series(
        [
            ccc(*(part[c].to_numpy(dtype=np.float64) for c in ("truth", "prediction")))
            for _, part in predictions.groupby("fold", sort=True)
        ]
    )
    return {
        "ccc": value,
        "ccc_low": interval.low,
        "ccc_high": interval.high,
        **fold_spread(folds, "ccc"),
        "pearson": float(np.corrcoef(truth, guess)[0, 1]) if varies else 0.0,
        "rmse": float(np.sqrt(np.mean((truth - guess) ** 2))),
        "rmse_chance": float(truth.std()),
        "n_test": len(predictions),
        "num_folds": len(folds),
        "unit": sums.kind,
        "num_units": sums.num_units,
        "no_interval": interval.missing,
    }


def _csv(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index=False, lineterminator="\n")).encode()
