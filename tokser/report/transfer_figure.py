"""The matrix of corpora as a heat map."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tokser.report.svg import COLOURS, INK, MUTED, Drawing, draw
from tokser.report.table import Number

__all__ = ["heat_map"]

_CELL = 52
"""Height of a row."""
_DEPTH = 0.6
"""How much of the colour a score of 1 has: text stays legible on it."""


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    numbers: Sequence[Sequence[Number | None]],
    *,
    chance: float,
) -> Drawing:
    """Draw scores: trained on down, tested on across; a cell at chance has no colour.

    Args:
        title: Dataset and configuration.
        rows: What was trained on.
        columns: What was tested.
        numbers: Scores, [rows, columns]; None where there is none.
        chance: Score without colour.
    """
    texts = [
        f"{row} to {column}: {number} %"
        for row, own in zip(rows, numbers, strict=True)
        for column, number in zip(columns, own, strict=True)
        if number is not None
    ]

    def paint(axes: Axes) -> None:
        for down, own in enumerate(numbers):
            for across, number in enumerate(own):
                _paint_cell(axes, down, across, number, chance)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0)
        axes.set_xlabel("Tested on (UAR [%], 95 % interval)")
        axes.set_ylabel("Trained on")
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)

    height = _CELL * len(rows) + 70
    return draw(paint, height=height, title=title, description="; ".join(texts))


def _paint_cell(axes: Axes, down: int, across: int, number: Number | None, chance: float) -> None:
    if number is None:
        axes.text(across, down, "not scored", ha="center", va="center", size=9, color=MUTED)
        return
    depth = float(np.clip((number.value - chance) / max(1 - chance, 1e-9), 0, 1))
    corner = (across - 0.5, down - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fc=COLOURS[0], alpha=_DEPTH * depth, lw=0))
    shown = number.shown(number.value)
    axes.text(across, down - 0.1, shown, ha="center", va="center", size=13, color=INK)
    if number.ends is not None:
        ends = " to ".join(number.ends)
        axes.text(across, down + 0.24, ends, ha="center", va="center", size=9, color=INK)
