"""What a search tried: the score on dev of each point of a grid, and how often it was selected."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tokser.report.figures import legend
from tokser.report.naming import file_name, protocol_title
from tokser.report.study import Figure, Panel
from tokser.report.svg import COLOURS, INK, Drawing, draw
from tokser.report.table import Cell, Column, ColumnGroup, Table
from tokser.report.tasks import Metric

__all__ = ["search_panel"]

_PARAMETERS = {
    "batch_size": "batch size",
    "learning_rate": "learning rate",
    "blocks_learning_rate": "learning rate of the blocks",
    "C": "C",
    "penalty": "penalty",
    "hidden": "widths",
    "params": "parameters",
}
"""Columns of the grid that tell points apart, by what they are called; numbers come first."""
_FEWEST = 3
"""Values of a parameter from which it has a curve, and edges."""
_WIDE = 10
"""Ratio of the largest value to the least from which an axis is logarithmic."""


def search_panel(
    grid: pd.DataFrame,
    metric: Metric,
    name: str,
    title: str,
    protocols: Sequence[str],
    stamps: Mapping[str, str],
) -> Panel | None:
    """Show the points of each head that had more than one to select among.

    Args:
        grid: The grids of one target: a row for each configuration, fold and point.
        metric: What dev selects by.
        name: Prefix of the names of files.
        title: Dataset and target.
        protocols: In order; the first one is drawn.
        stamps: Of the protocols that have one.

    Returns:
        None where no head had a choice.
    """
    figures, tables, edges = [], {}, []
    for head, own in grid.groupby("classifier", sort=False):
        varying = [p for p in _PARAMETERS if p in own and own[p].replace("", None).nunique() > 1]
        if not varying:
            continue
        file, about = file_name(f"{name}-search-{head}"), f"{title}: search of {head} on dev"
        found = _averaged(own, varying, f"dev_{metric.column}")
        tables[f"{head}: {len(found)} points"] = _table(
            found, varying, metric, file, about, protocols, stamps
        )
        drawn = _drawn(found, varying, metric, about, protocols[0])
        if drawn is not None:
            caption = f"{head}, {protocol_title(protocols[0]).lower()}; means over folds and "
            caption += "features. The ring is where dev selected most often."
            figures.append(Figure(file, drawn, caption))
        edges += _edges(own, varying, str(head))
    if not tables:
        return None
    note = (
        f"{metric.name} on dev of each point, averaged over folds and feature sets, and in how "
        "many of them dev selected it."
    )
    return Panel("search on dev", note=" ".join([note, *edges]), figures=figures, folded=tables)


def _averaged(own: pd.DataFrame, varying: Sequence[str], score: str) -> pd.DataFrame:
    """Average each point: a row for each, with columns for each protocol."""
    epochs = own["best_epoch"].astype(float) if "best_epoch" in own else np.nan
    table = own.assign(dev=own[score], epoch=epochs, selected=own["selected"].astype(int))
    rows = table.groupby([*varying, "protocol"], dropna=False).agg(
        dev=("dev", "mean"), selected=("selected", "sum"), epoch=("epoch", "median")
    )
    return rows.unstack("protocol")


def _table(
    found: pd.DataFrame,
    varying: Sequence[str],
    metric: Metric,
    name: str,
    caption: str,
    protocols: Sequence[str],
    stamps: Mapping[str, str],
) -> Table:
    columns = (
        Column(f"{metric.name} on dev", "number"), Column("Selected", "number"),
        Column("Best epoch", "number"),
    )  # fmt: skip
    has_epochs = bool(found["epoch"].notna().to_numpy().any())
    shown = columns if has_epochs else columns[:2]
    known = [one for one in protocols if one in found["dev"]]
    groups = [ColumnGroup(tuple(Column(_titled(one)) for one in varying))]
    groups += [ColumnGroup(shown, protocol_title(one), stamps.get(one, "")) for one in known]
    rows = []
    for point, values in zip(found.index, found.to_dict("records"), strict=True):
        cells: list[Cell] = [_written(one) for one in _as_tuple(point)]
        for protocol in known:
            dev, epoch = values["dev", protocol], values["epoch", protocol]
            cells.append(None if pd.isna(dev) else metric.number(float(dev)))
            cells.append(None if pd.isna(dev) else int(values["selected", protocol]))
            cells += [None if pd.isna(epoch) else f"{epoch:g}"] if has_epochs else []
        rows.append(tuple(cells))
    notes = ("Best epoch: the median over folds and feature sets.",) if has_epochs else ()
    return Table(name, caption, tuple(groups), tuple(rows), notes=notes)


def _drawn(
    found: pd.DataFrame, varying: Sequence[str], metric: Metric, title: str, protocol: str
) -> Drawing | None:
    """Draw dev over the parameter of most values, a line for each value of the next one."""
    numbers = [one for one in varying if found.index.get_level_values(one).dtype.kind in "fi"]
    numbers.sort(key=lambda one: -found.index.unique(one).size)
    if not numbers or found.index.unique(numbers[0]).size < _FEWEST or protocol not in found["dev"]:
        return None
    across, more = numbers[0], [one for one in varying if one != numbers[0]][:1]
    rows = found.reset_index()
    flat = pd.DataFrame(
        {
            "x": rows[across].astype(float),
            "line": rows[more[0]].map(_written) if more else "",
            "dev": metric.scale * rows["dev", protocol].astype(float),
            "selected": rows["selected", protocol],
        }
    )
    averaged = flat.groupby(["line", "x"], sort=True).agg({"dev": "mean", "selected": "sum"})
    lines = {str(line): part.droplevel("line") for line, part in averaged.groupby("line")}
    (best_line, best_x) = averaged["selected"].idxmax()

    def paint(axes: Axes) -> None:
        for place, (line, part) in enumerate(lines.items()):
            label = f"{_PARAMETERS[more[0]]} {line}" if more else ""
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(part.index, part["dev"], color=colour, marker="o", label=label or None)
        height = lines[str(best_line)]["dev"][best_x]
        axes.plot(best_x, height, "o", ms=15, mfc="none", mec=INK, mew=1.4)
        values = np.asarray(sorted(flat["x"].unique()))
        if values[0] > 0 and values[-1] / values[0] > _WIDE:
            axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
        axes.set_xlabel(_titled(across))
        axes.set_ylabel(f"{metric.axis} on dev")
        if more:
            legend(axes)

    texts = [
        f"{line}: " + ", ".join(f"{x:g} {dev:.1f}" for x, dev in part["dev"].items())
        for line, part in lines.items()
    ]
    return draw(paint, height=290, title=title, description="; ".join(texts))


def _edges(own: pd.DataFrame, varying: Sequence[str], head: str) -> list[str]:
    """Say which parameters are selected at an edge of the grid in most cases."""
    told = []
    chosen = own[own["selected"].astype(bool)]
    for one in varying:
        values = own[one].dropna().unique()
        if values.dtype.kind not in "fiu" or len(values) < _FEWEST or chosen.empty:
            continue
        for end, what in ((values.min(), "least"), (values.max(), "largest")):
            share = float((chosen[one] == end).mean())
            if share > 1 / 2:
                told.append(
                    f"{head}: dev selects the {what} {_PARAMETERS[one]}, {_written(end)}, in "
                    f"{100 * share:.0f} % of cases: a wider grid may score higher."
                )
    return told


def _as_tuple(point: object) -> tuple[object, ...]:
    return point if isinstance(point, tuple) else (point,)


def _titled(parameter: str) -> str:
    name = _PARAMETERS[parameter]
    return name[0].upper() + name[1:]


def _written(value: object) -> str:
    if value is None or value == "" or value is pd.NA:
        return ""
    if isinstance(value, int | float | np.number):
        return "" if np.isnan(float(value)) else f"{float(value):g}"
    return str(value)
