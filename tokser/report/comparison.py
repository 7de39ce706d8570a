"""The paper's Tables 1, 2 and 3, compared with these results."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from tokser.report.naming import protocol_title, published_label
from tokser.report.published import (
    COUNT_REMARKS,
    COUNTS,
    GRIDS,
    NUM_TEST,
    PublishedGrid,
    published_scores,
)
from tokser.report.scores import Configuration, Score, Scored, Scores, selected_on_dev
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["counts_table", "grids_table", "published_table", "representatives"]

_Candidates: TypeAlias = Sequence[tuple[Configuration, Mapping[str, Score]]]
_NOT_PUBLISHED = "not in the paper"


def counts_table(
    dataset: str, predictions: Sequence[pd.DataFrame], name: str, caption: str
) -> Table | None:
    """Compare the utterances of each label with the paper's Table 1.

    With leave one speaker out, the test sets together are the whole corpus.

    Args:
        dataset: Name of the dataset.
        predictions: `predictions.parquet` of each of its results folders.
        name: Name of the table's file.
        caption: What it shows.

    Returns:
        Labels in the paper's order, then those that it does not have; None for a dataset that the
        paper does not count.
    """
    if dataset not in COUNTS:
        return None
    tested = pd.concat([table[["id", "protocol", "label"]] for table in predictions])
    tested = tested.drop_duplicates(["id", "protocol"])
    protocol = str(tested["protocol"].value_counts().index[0])
    here = tested.loc[tested["protocol"] == protocol, "label"].value_counts().to_dict()
    published = COUNTS[dataset]
    labels = [*published, *sorted(set(here) - set(published))]
    columns = (Column("Label"), Column("Paper", "number"), Column("Here", "number"))
    return Table(
        name,
        caption,
        (ColumnGroup(columns),),
        tuple((label, published.get(label), here.get(label)) for label in labels),
        totals=("All", sum(published.values()), sum(here.values())),
        notes=(
            f"Here: the test sets of all folds under “{protocol_title(protocol).lower()}”.",
            *COUNT_REMARKS.get(dataset, ()),
        ),
    )


def grids_table(settings: Mapping[str, Mapping[str, Any]], name: str, caption: str) -> Table | None:
    """Compare the grid of each folder that trained an MLP with the paper's Table 2.

    Args:
        settings: Of `tokser classify`, by folder.
        name: Name of the table's file.
        caption: What it shows.

    Returns:
        None where no folder has a grid.
    """
    found = [
        _grid_row(folder, mine["grid"])
        for folder, mine in settings.items()
        if "mlp" in mine.get("classifiers", ()) and "batch_sizes" in (mine.get("grid") or {})
    ]
    if not found:
        return None
    published = [_published_grid(grid) for grid in GRIDS]
    columns = (
        Column("Grid"), Column("Batch size"), Column("Learning rate"), Column("Points", "number"),
        Column("Same as"),
    )  # fmt: skip
    return Table(name, caption, (ColumnGroup(columns),), (*published, *found))


def _grid_row(folder: str, grid: Mapping[str, Any]) -> tuple[Cell, ...]:
    sizes = [int(size) for size in grid["batch_sizes"]]
    rates = [float(rate) for rate in grid["learning_rates"]]
    same = next((one for one in GRIDS if _is_same(one, sizes, rates)), None)
    same_as = f"paper, {same.classifier.lower()}" if same else "neither"
    return folder, _listed(sizes), _listed(rates), len(sizes) * len(rates), same_as


def _published_grid(grid: PublishedGrid) -> tuple[Cell, ...]:
    models = f", Whisper {' or '.join(grid.models)}" if grid.models else ""
    num_points = len(grid.batch_sizes) * len(grid.learning_rates)
    sizes, rates = _listed(grid.batch_sizes), _listed(grid.learning_rates)
    return f"Paper, {grid.classifier.lower()}{models}", sizes, rates, num_points, None


def _is_same(grid: PublishedGrid, sizes: Sequence[int], rates: Sequence[float]) -> bool:
    return set(grid.batch_sizes) == set(sizes) and set(grid.learning_rates) == set(rates)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def published_table(
    dataset: str,
    scores: Scores,
    teachers: Mapping[str, str],
    *,
    name: str,
    caption: str,
    stamps: Mapping[str, str],
) -> Table | None:
    """Compare the scores of one dataset with the paper's Table 3.

    Args:
        dataset: Name of the dataset.
        scores: Its scores.
        teachers: Text encoder by name of run.
        name: Name of the table's file.
        caption: What it shows.
        stamps: Of the protocols that have one.

    Returns:
        The paper's rows in its order, then ours that it does not have; None for a dataset that the
        paper does not score.
    """
    published = {row.features: row for row in published_scores(dataset)}
    if not published:
        return None
    num_test = NUM_TEST.get(dataset, 0)
    metrics = scores.task.metrics[:2]  # UAR and accuracy are all that the paper prints
    ours = representatives(scores, teachers)
    figures = tuple(Column(metric.name, "number") for metric in metrics)
    groups = [
        ColumnGroup((Column("Features"),)),
        ColumnGroup(figures, "Paper, random split", missing=_NOT_PUBLISHED),
    ]
    columns = (Column(metrics[0].name, "interval"), figures[1], Column("with"))
    for protocol in scores.protocols:
        title = f"Here, {protocol_title(protocol).lower()}"
        groups.append(ColumnGroup(columns, title, stamps.get(protocol, ""), missing="not run"))
    rows, remarks = [], []
    for label in dict.fromkeys([*published, *sorted(ours)]):
        row = published.get(label)
        cells: list[Cell] = [label, None, None]
        if row is not None:
            cells[1:] = [Number(x / 100, digits=2) for x in (row.uar, row.accuracy)]
            remarks += [f"{label}: {row.remark}"] if row.remark else []
        for protocol in scores.protocols:
            cells += _our_cells(ours.get(label, {}).get(protocol), scores)
        rows.append(tuple(cells))
    notes = (
        "The paper (Idiap-RR-07-2025) prints micro-F1 as F1, which is accuracy. Its accuracies are "
        f"multiples of 1/{num_test}: one random split with {num_test} test utterances, whose "
        "speakers are in the training set, too.",
        "Where several rows here match one of the paper's, the row selected on dev in each fold "
        "is shown; without one, the last layer.",
        *remarks,
    )
    return Table(name, caption, tuple(groups), tuple(rows), notes=notes)


def _our_cells(found: Scored | None, scores: Scores) -> tuple[Cell, ...]:
    if found is None:
        return (None,) * 3
    row, score = found
    headline, other = scores.task.metrics[:2]
    uar = headline.number(score.value, score.low, score.high)
    return uar, other.number(score.values[other.column]), row.label


def representatives(scores: Scores, teachers: Mapping[str, str]) -> dict[str, Mapping[str, Scored]]:
    """Return the configuration compared with each of the paper's rows, by label and protocol.

    Where several configurations match one row (layers, model sizes, classifiers), the one that dev
    selected among most, fold by fold, is taken, so the test sets have no part in it. Without such a
    selection it is the last configuration in natural order: the last layer.
    """
    found: dict[str, list[tuple[Configuration, Mapping[str, Score]]]] = {}
    for row, under in scores.rows:
        label = published_label(row.features, teachers)
        if label is not None:
            found.setdefault(label, []).append((row, under))
    return {
        label: {p: one for p in scores.protocols if (one := _representative(candidates, p))}
        for label, candidates in found.items()
    }


def _representative(candidates: _Candidates, protocol: str) -> Scored | None:
    scored = [(row, under[protocol]) for row, under in candidates if protocol in under]
    return (selected_on_dev(scored) or scored[-1]) if scored else None
