"""The section of the page on how alike features are: `tokser similarity`."""

from collections.abc import Sequence

import pandas as pd

from tokser.experiments.similarity.table import SIMILARITY
from tokser.report.study import Figure, Panel, Study, StudyKind
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["SIMILAR", "similarity_panels"]

_MOST = 40
"""Features up to which matrices are shown as tables."""


def similarity_panels(study: Study, name: str, title: str) -> list[Panel]:
    """Show, for each kind of samples, the heat map, the nearest features, and all numbers."""
    from tokser.report.similarity_figure import similarity_figures

    figures = similarity_figures(study.table, title)
    panels = []
    for over, own in study.table.groupby("over", sort=False):
        file, about = f"{name}-{over}", f"{title}, {over}"
        count = int(own["num_samples"].max())
        caption = "Linear CKA of every two features; crossed: features without common samples."
        panels.append(
            Panel(
                f"Over {over}",
                note=f"{count:,} {over}.",
                figures=[Figure(file, figures[f"similarity-{over}"], caption)],
                tables=[_nearest(own, f"{file}-nearest", about)],
                folded=_matrices(own, file, about),
            )
        )
    return panels


def _nearest(own: pd.DataFrame, name: str, about: str) -> Table:
    """Show for each feature the other one that is most like it."""
    others = own[(own["first"] != own["second"]) & own["cka"].notna()]
    back = own.set_index(["second", "first"])["r2"]
    rows: list[tuple[Cell, ...]] = []
    for first, pairs in others.groupby("first", sort=False):
        best = pairs.loc[pairs["cka"].idxmax()]
        r2 = back.get((first, best["second"]))
        cka = _number(best["cka"], best["cka_low"], best["cka_high"])
        rows.append((str(first), str(best["second"]), cka, _number(r2)))
    columns = (
        Column("Feature"), Column("Most like"), Column("CKA", "interval"),
        Column("R² from it", "number"),
    )  # fmt: skip
    caption = f"{about}: the feature that each is most like"
    return Table(name, caption, (ColumnGroup(columns),), tuple(rows))


def _matrices(own: pd.DataFrame, name: str, about: str) -> dict[str, Table]:
    names = list(dict.fromkeys(own["first"]))
    if len(names) > _MOST:
        return {}
    return {
        "CKA of every two features": _matrix(own, "cka", f"{name}-cka", f"{about}: linear CKA"),
        "R² of every two features": _matrix(
            own, "r2", f"{name}-r2", f"{about}: R² of each column predicted from each row"
        ),
    }


def _matrix(own: pd.DataFrame, value: str, name: str, caption: str) -> Table:
    names = list(dict.fromkeys(own["first"]))
    by_pair = own.set_index(["first", "second"])
    ends = [f"{value}_low", f"{value}_high"] if f"{value}_low" in own else []

    def cell(one: str, other: str) -> Number | None:
        if (one, other) not in by_pair.index:
            return None
        return _number(*by_pair.loc[(one, other), [value, *ends]])

    columns = (Column("Feature"), *(Column(str(one), "number") for one in names))
    rows = tuple((one, *(cell(one, other) for other in names)) for one in names)
    return Table(name, caption, (ColumnGroup(columns),), rows)


def _number(
    value: float | None, low: float | None = None, high: float | None = None
) -> Number | None:
    if value is None or pd.isna(value):
        return None
    first, last = (None if end is None or pd.isna(end) else float(end) for end in (low, high))
    return Number(float(value), first, last, digits=3, scale=1)


_EXPLANATION: Sequence[str] = (
    "Linear CKA is 1 for features that are the same but for rotation and scale, and 0 for "
    "unrelated ones; its 95 % interval leaves out one speaker at a time. R² says how much of one "
    "feature a ridge regression finds in another, for speakers that it was not fitted to.",
)
SIMILAR = StudyKind(
    "similarity", SIMILARITY, "similarity of features", _EXPLANATION, similarity_panels
)
