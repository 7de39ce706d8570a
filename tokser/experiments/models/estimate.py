"""The honest score of a model, read from a folder of results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.config.experiments import AGE_BANDS
from tokser.errors import SettingsError, list_some
from tokser.experiments.dataset import Dataset
from tokser.experiments.fairness.groupings import find_groupings
from tokser.experiments.fairness.scores import Predicted, gap_rows, group_rows
from tokser.experiments.models.model import Estimate
from tokser.experiments.results import Table
from tokser.experiments.units import Unit

__all__ = ["read_estimate", "read_predictions", "read_trials"]


def read_trials(folder: Path, unit: Unit, dataset: Dataset) -> pd.DataFrame:
    """Return the trials of a unit: a row of each grid point and fold.

    Raises:
        SettingsError: The folder holds none of it.
    """
    table = dataset.task.tables.grid
    return _rows(table, folder, _key(unit, dataset, with_seed=True), "seed" in table.names)


def read_predictions(folder: Path, unit: Unit, dataset: Dataset) -> pd.DataFrame:
    """Return the test predictions of a unit, of its seed or the first there is.

    Raises:
        SettingsError: The folder holds none of it.
    """
    key = _key(unit, dataset, with_seed=False) | {"seed": unit.seed}
    return _rows(dataset.task.tables.predictions, folder, key, has_seeds=True)


def read_estimate(folder: Path, unit: Unit, dataset: Dataset) -> Estimate:
    """Return the score of a unit with its interval, and what it is made of.

    Args:
        folder: Results.
        unit: Features, protocol, target, head, seed.
        dataset: Utterances and audits.

    Raises:
        SettingsError: The folder holds no score of it.
    """
    tables = dataset.task.tables
    key = _key(unit, dataset, with_seed=False)
    scored = tables.summary or tables.scores
    rows = _rows(scored, folder, key, has_seeds=False)
    if scored is tables.scores:
        rows = rows[rows["seed"] == unit.seed] if (rows["seed"] == unit.seed).any() else rows[:1]
    row = _plain_rows(rows)[0]
    predictions = read_predictions(folder, unit, dataset)
    metric = tables.metric
    groups, gaps = _by_group(predictions, unit, dataset)
    return Estimate(
        protocol=unit.protocol,
        metric=metric,
        score=row[metric],
        low=row.get(f"{metric}_low"),
        high=row.get(f"{metric}_high"),
        no_interval=str(row.get("no_interval") or ""),
        num_test=int(row["n_test"]),
        unit=str(row.get("unit") or ""),
        num_units=row.get("num_units"),
        leaks=dataset.audits[unit.protocol].of_features(unit.features).stamp,
        results=str(folder),
        scores=row,
        classes=_optional_rows(tables.classes, folder, key),
        confusion=_optional_rows(tables.confusion, folder, key),
        by_group=groups,
        gaps=gaps,
    )


def _by_group(
    predictions: pd.DataFrame, unit: Unit, dataset: Dataset
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Score the groups of every usual column apart, but for single speakers; and all gaps."""
    task, metric = dataset.task, dataset.task.tables.metric
    classes = task.classes(dataset.target(unit.target))
    tested = Predicted(task, classes, [predictions], dataset.utterances)
    groupings = find_groupings(dataset.utterances, (), AGE_BANDS)
    groups = [
        {
            "column": row["column"],
            "group": row["group"],
            metric: row[metric],
            "low": row.get(f"{metric}_low"),
            "high": row.get(f"{metric}_high"),
            "num_test": row["n_test"],
            "num_units": row["num_units"],
            **{name: row[name] for name in ("num_speakers", "num_classes", "no_interval")},
        }
        for grouping in groupings
        if grouping.units.kind == "speaker"
        for row in group_rows(tested, grouping)
    ]
    gaps = gap_rows({unit.features: tested}, groupings, seed=unit.seed)[unit.features]
    return [_plain_row(row) for row in groups], [_plain_row(row) for row in gaps]


def _key(unit: Unit, dataset: Dataset, *, with_seed: bool) -> dict[str, Any]:
    named = unit.named(dataset.task.tables)
    if not with_seed:
        named.pop("seed", None)
    return named


def _rows(table: Table, folder: Path, key: dict[str, Any], has_seeds: bool) -> pd.DataFrame:
    """Return the rows of a table that a unit has; those of its seed, or of the first there is."""
    content = table.read(folder / table.file)
    rows = content
    for name, value in key.items():
        if name != "seed" and name in rows:
            rows = rows[rows[name] == value]
    if has_seeds and "seed" in rows and len(rows):
        seed = key["seed"] if (rows["seed"] == key["seed"]).any() else rows["seed"].iloc[0]
        rows = rows[rows["seed"] == seed]
    if rows.empty:
        raise SettingsError(
            folder / table.file,
            expected=f"rows of {', '.join(f'{k} {v}' for k, v in key.items() if k != 'seed')}",
            got=f"none; there are {list_some(list(dict.fromkeys(content['features'])))}",
            remedy="Name results of the same, or leave --results out: then they are computed.",
        )
    return rows


def _optional_rows(table: Table | None, folder: Path, key: dict[str, Any]) -> list[dict[str, Any]]:
    if table is None:
        return []
    known = {*key, "dataset", "setup", "stamp", "seed", "seeds"}
    rows = _rows(table, folder, key, has_seeds=False)
    return _plain_rows(rows.drop(columns=[name for name in rows if name in known]))


def _plain_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them: blanks are null."""
    return [_plain_row(row) for row in rows.to_dict("records")]


def _plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    return value.item() if hasattr(value, "item") else value
