"""The honest score of a model, read from a folder of results."""

from pathlib import Path
from typing import Any

import pandas as pd

from tokser.errors import SettingsError, list_some
from tokser.experiments.dataset import Dataset
from tokser.experiments.models.model import Estimate
from tokser.experiments.results import Table
from tokser.experiments.units import Unit

__all__ = ["read_estimate", "read_predictions", "read_trials"]

_GROUPS = ("sex", "language")
"""Columns of the manifest whose groups are scored apart, where there are several of them."""


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
        by_group=[
            found for column in _GROUPS for found in _by_group(predictions, column, unit, dataset)
        ],
    )


def _by_group(
    predictions: pd.DataFrame, column: str, unit: Unit, dataset: Dataset
) -> list[dict[str, Any]]:
    """Score the groups of a column apart; none where there is but one, or all are unknown."""
    task, metric = dataset.task, dataset.task.tables.metric
    group_of = dataset.utterances[column].reindex(predictions["id"]).fillna("").to_numpy()
    names = sorted(set(group_of))
    if len(names) < 2:
        return []
    classes = task.classes(dataset.target(unit.target))
    found = []
    for name in names:
        own = predictions[group_of == name]
        sums = task.unit_sums([own], dataset.sampling_units, classes)
        scores = task.test_scores(sums, [own])
        found.append(
            {
                "column": column,
                "group": name or "unknown",
                metric: float(scores.columns[metric]),
                "low": _number(scores.columns.get(f"{metric}_low")),
                "high": _number(scores.columns.get(f"{metric}_high")),
                "num_test": len(own),
                "num_units": sums.num_units,
            }
        )
    return found


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
    return [
        {str(name): _plain(value) for name, value in row.items()} for row in rows.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    return value.item() if hasattr(value, "item") else value


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
