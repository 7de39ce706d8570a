"""The report's Table 3 beside the scores at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokser.report.naming import published_label
from tokser.report.published import PublishedScore, published_scores
from tokser.report.tables import Configuration, Headline, Score

__all__ = ["Compared", "compare"]


@dataclass(frozen=True)
class Compared:
    """One row of Table 3, with what stands for it here."""

    label: str
    published: PublishedScore | None
    """None where the report has no such row."""
    ours: Mapping[str, tuple[Configuration, Score]]
    """By protocol: the configuration that the dev part chose, and its score."""


def compare(
    dataset: str,
    table: Headline,
    teachers: Mapping[str, str],
) -> list[Compared]:
    """Set the scores of one dataset beside the report's.

    Where several features stand for one row (layers, model sizes), the dev part chooses, so the
    test part has no say in it. Where nothing was measured on dev, the last layer stands for all.

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
) -> tuple[Configuration, Score] | None:
    scored = [(row, scores[protocol]) for row, scores in candidates if protocol in scores]
    if not scored:
        return None
    on_dev = [float("-inf") if s.dev_uar is None else s.dev_uar for _, s in scored]
    return scored[max(range(len(scored)), key=lambda i: (on_dev[i], i))]
