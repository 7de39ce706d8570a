"""The report's Tables 1, 2 and 3 beside what is at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tokser.report.naming import published_label
from tokser.report.published import COUNTS, GRIDS, PublishedScore, published_scores
from tokser.report.results import Results
from tokser.report.tables import Configuration, Headline, Score, Scored, nested_choice

__all__ = ["Compared", "Counted", "Searched", "compare", "compare_grids", "count"]


@dataclass(frozen=True)
class Counted:
    """Table 1: utterances by label."""

    protocol: str
    """Whose test parts, all folds together, were counted: the one that tests most."""
    rows: tuple[tuple[str, int | None, int | None], ...]
    """Label, published count and count here; None where there is none."""

    @property
    def totals(self) -> tuple[int, int]:
        """Published and here."""
        return sum(row[1] or 0 for row in self.rows), sum(row[2] or 0 for row in self.rows)


@dataclass(frozen=True)
class Searched:
    """Table 2: the grid that one results folder searched."""

    folder: str
    batch_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    published: str
    """The report's name of the same grid; empty where it has none such."""

    @property
    def num_points(self) -> int:
        """Points of the grid."""
        return len(self.batch_sizes) * len(self.learning_rates)


@dataclass(frozen=True)
class Compared:
    """One row of Table 3, with what stands for it here."""

    label: str
    published: PublishedScore | None
    """None where the report has no such row."""
    ours: Mapping[str, tuple[Configuration, Score]]
    """By protocol: what dev chose in each fold, or the only configuration, and its score."""


def compare(
    dataset: str,
    table: Headline,
    teachers: Mapping[str, str],
) -> list[Compared]:
    """Set the scores of one dataset beside the report's.

    Where several configurations stand for one row (layers, model sizes, classifiers), the widest
    choice that dev made fold by fold is taken, so the test parts have no say in it. Without such a
    choice the last configuration in natural order stands for all: the last layer.

    Args:
        dataset: Name of the dataset.
        table: Its scores.
        teachers: Text encoder by name of run.

    Returns:
        The report's rows in its order, then those of ours that it lacks; empty for a dataset
        that the report did not score.
    """
    published = {row.features: row for row in published_scores(dataset)}
    if not published:
        return []
    found: dict[str, list[tuple[Configuration, Mapping[str, Score]]]] = {}
    for row, scores in table.rows:
        label = published_label(row.features, teachers)
        if label is not None:
            found.setdefault(label, []).append((row, scores))
    labels = list(dict.fromkeys([*published, *sorted(found)]))
    return [
        Compared(
            label,
            published.get(label),
            {p: c for p in table.protocols if (c := _chosen(found.get(label, []), p))},
        )
        for label in labels
    ]


def _chosen(
    candidates: Sequence[tuple[Configuration, Mapping[str, Score]]],
    protocol: str,
) -> Scored | None:
    scored = [(row, scores[protocol]) for row, scores in candidates if protocol in scores]
    return (nested_choice(scored) or scored[-1]) if scored else None


def count(dataset: str, predictions: Sequence[pd.DataFrame]) -> Counted | None:
    """Count the utterances of each label, beside the report's Table 1.

    Where everybody is left out in turn, the test parts together are the whole corpus.

    Args:
        dataset: Name of the dataset.
        predictions: `predictions.parquet` of each of its results folders.

    Returns:
        Labels in the report's order, then those that it lacks; None for a dataset that the
        report does not count.
    """
    if dataset not in COUNTS:
        return None
    tested = pd.concat([table[["id", "protocol", "label"]] for table in predictions])
    tested = tested.drop_duplicates(["id", "protocol"])
    protocol = str(tested["protocol"].value_counts().index[0])
    here = tested.loc[tested["protocol"] == protocol, "label"].value_counts().to_dict()
    published = COUNTS[dataset]
    labels = [*published, *sorted(set(here) - set(published))]
    rows = tuple((label, published.get(label), here.get(label)) for label in labels)
    return Counted(protocol, rows)


def compare_grids(results: Sequence[Results]) -> list[Searched]:
    """Set the grid of each folder that trained an MLP beside the report's Table 2."""
    found = []
    for folder in results:
        settings: Mapping[str, Any] = folder.provenance.get("settings", {})
        grid = settings.get("grid") or {}
        if "mlp" in settings.get("classifiers", ()) and "batch_sizes" in grid:
            batch_sizes = tuple(int(size) for size in grid["batch_sizes"])
            rates = tuple(float(rate) for rate in grid["learning_rates"])
            same = [
                row.classifier
                for row in GRIDS
                if set(row.batch_sizes) == set(batch_sizes)
                and set(row.learning_rates) == set(rates)
            ]
            published = same[0] if same else ""
            found.append(Searched(str(folder.folder), batch_sizes, rates, published))
    return found
