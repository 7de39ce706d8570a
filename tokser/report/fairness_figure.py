"""Scores by group as dots with their intervals, a block for each column."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tokser.report.svg import COLOURS, INK, LINE, MUTED, Drawing, draw
from tokser.report.tasks import Metric

__all__ = ["dot_plot"]

_ROW, _HEAD = 18, 24
"""Height of a group, and of the name of a column above its groups."""
_MOST = 40
"""Groups of a column that are drawn: the highest and lowest, where there are more."""


def dot_plot(table: pd.DataFrame, metric: Metric, title: str) -> Drawing:
    """Draw the headline of each group; a line has the whole column's middle.

    Args:
        table: Rows of `groups.csv` of one configuration.
        metric: The headline.
        title: Of the figure.
    """
    blocks = [(str(name), _drawn(own, metric)) for name, own in table.groupby("column", sort=False)]
    texts = [
        f"{name} {row['group']}: {metric.text(float(row[metric.column]))}"
        for name, own in blocks
        for _, row in own.iterrows()
    ]

    def paint(axes: Axes) -> None:
        place, ticks, labels = 0.0, [], []
        for number, (name, own) in enumerate(blocks):
            axes.text(
                0.01, place, name, transform=axes.get_yaxis_transform(), ha="left", va="center",
                color=MUTED, size=10.5,
            )  # fmt: skip
            colour = COLOURS[number % len(COLOURS)]
            places = place + _HEAD / _ROW + np.arange(len(own)) - 0.2
            values = metric.scale * own[metric.column].to_numpy(dtype=float)
            low, high = (
                metric.scale * own[f"{metric.column}_{end}"].to_numpy(dtype=float)
                for end in ("low", "high")
            )
            axes.hlines(places, low, high, color=colour, lw=2, alpha=0.55)
            axes.plot(values, places, color=colour, marker="o", ls="", zorder=3)
            ticks += places.tolist()
            labels += [f"{row['group']} (n = {row['n_test']})" for _, row in own.iterrows()]
            place = float(places[-1]) + _HEAD / _ROW
            if number + 1 < len(blocks):
                axes.axhline(place - 0.55, color=LINE, lw=0.7)
        axes.set_yticks(ticks, labels, color=INK)
        axes.set_ylim(place - 0.4, -0.7)
        axes.set_xlabel(f"{metric.axis}, 95 % interval")
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")

    height = sum(_ROW * len(own) + 1.6 * _HEAD for _, own in blocks) + 60
    return draw(paint, height=round(height), title=title, description="; ".join(texts))


def _drawn(table: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return the rows of a column that are drawn, in their order."""
    if len(table) <= _MOST:
        return table
    order = table[metric.column].astype(float).argsort().to_numpy()
    kept = np.sort(np.concatenate([order[: _MOST // 2], order[-_MOST // 2 :]]))
    return table.iloc[kept]
