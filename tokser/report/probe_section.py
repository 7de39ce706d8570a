"""The section of the page on what features know: `tokser probe`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tokser.experiments.probing.table import PROBES
from tokser.report import naming
from tokser.report.study import Figure, Panel, Study, StudyKind
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

if TYPE_CHECKING:
    from tokser.report.svg import Drawing

__all__ = ["PROBE", "probe_panels"]

_METRICS = {"uar": "UAR", "ccc": "CCC"}


def probe_panels(study: Study, name: str, title: str) -> list[Panel]:
    """Show each target: a curve over layers where there are several, and the table."""
    from tokser.report.probe_figure import name_of_figure, probe_figures

    figures = probe_figures(study.table, title)
    return [
        _panel(own, str(target), name, title, figures.get(name_of_figure(str(target))))
        for target, own in study.table.groupby("target", sort=False)
    ]


def _panel(
    own: pd.DataFrame, target: str, name: str, title: str, drawing: "Drawing | None"
) -> Panel:
    first = own.iloc[0]
    kinds = "" if pd.isna(first["num_classes"]) else f"{int(first['num_classes'])} classes, "
    counts = f"{kinds}n = {first['n']:,}, {first['num_groups']:,} {first['grouped_by']}s"
    counts += ", logistic regression" if first["head"] == "logreg" else ""
    file = naming.file_name(f"{name}-{target}")
    caption = "The band is the 95 % interval; dotted: targets shuffled."
    drawn = [Figure(file, drawing, caption)] if drawing else []
    return Panel(target, note=counts, figures=drawn, tables=[_table(own, target, file, title)])


def _table(own: pd.DataFrame, target: str, name: str, title: str) -> Table:
    metric = _METRICS.get(str(own["metric"].iloc[0]), str(own["metric"].iloc[0]))
    columns = (
        Column("Feature"),
        Column(metric, "interval"),
        Column("Shuffled", "number"),
        Column("Selectivity", "number"),
    )
    top = own["score"].max()
    rows = tuple(_row(row, is_best=row["score"] == top) for row in own.to_dict("records"))
    return Table(name, f"{title}: {target} by feature", (ColumnGroup(columns),), rows)


def _row(row: dict[Any, Any], *, is_best: bool) -> tuple[Cell, ...]:
    low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
    return (
        str(row["feature"]),
        Number(float(row["score"]), low, high, is_best=is_best),
        Number(float(row["control"])),
        Number(float(row["selectivity"]), is_difference=True),
    )


_EXPLANATION: Sequence[str] = (
    "How well a linear probe predicts each target from the mean and standard deviation of a "
    "feature, for speakers that it was not fitted to (the target speaker: for other sentences). "
    "Classes are scored by UAR, numbers by CCC, both times 100.",
    "Shuffled: the same with shuffled targets. Selectivity: the difference, what a feature gives "
    "beyond what its width can fit.",
)
PROBE = StudyKind("probe", PROBES, "what features know", _EXPLANATION, probe_panels)
