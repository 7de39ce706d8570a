"""CKA of every two features as a heat map."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tokser.report.svg import COLOURS, INK, MUTED, Drawing, draw

__all__ = ["similarity_figures"]

_CELL = 26
"""Height of a row."""
_MOST_WRITTEN = 14
"""Features up to which cells hold their numbers."""
_DEPTH = 0.75
"""How much of the colour a similarity of 1 has: text stays legible on it."""


def similarity_figures(table: pd.DataFrame, title: str) -> dict[str, Drawing]:
    """Draw a heat map for each kind of samples, `similarity-utterances` and so on.

    Features of several groups of frames stand in one picture; pairs without a number are crossed.

    Args:
        table: See `similarity.table`.
        title: Name of the store.
    """
    return {f"similarity-{over}": _heat_map(own, f"{title}, {over}") for over, own in _kinds(table)}


def _kinds(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(over), table[table["over"] == over]) for over in table["over"].unique()]


def _heat_map(table: pd.DataFrame, title: str) -> Drawing:
    names = list(dict.fromkeys(table["first"]))
    square = table.pivot_table(index="first", columns="second", values="cka", dropna=False)
    numbers = square.reindex(index=names, columns=names).to_numpy(dtype=float)
    best = _nearest(names, numbers)

    def paint(axes: Axes) -> None:
        for down, own in enumerate(numbers):
            for across, number in enumerate(own):
                _paint_cell(axes, down, across, number, is_written=len(names) <= _MOST_WRITTEN)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.set_xlabel("Linear CKA")
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)

    longest = max(len(name) for name in names)
    height = _CELL * len(names) + 7 * longest + 40
    return draw(paint, height=height, title=title, description=best)


def _paint_cell(axes: Axes, down: int, across: int, number: float, *, is_written: bool) -> None:
    if np.isnan(number):
        axes.text(across, down, "x", ha="center", va="center", size=9, color=MUTED)
        return
    depth = float(np.clip(number, 0, 1))
    corner = (across - 0.5, down - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fc=COLOURS[0], alpha=_DEPTH * depth, lw=0))
    if is_written:
        shown = f"{number:.2f}"
        axes.text(across, down, shown, ha="center", va="center", size=9, color=INK)


def _nearest(names: list[str], numbers: np.ndarray) -> str:
    """Say which other feature each one is most like."""
    told = []
    for place, name in enumerate(names):
        others = np.where(np.arange(len(names)) == place, np.nan, numbers[place])
        if not np.isnan(others).all():
            other = int(np.nanargmax(others))
            told.append(f"{name} is most like {names[other]}, CKA {others[other]:.2f}")
    return "; ".join(told)
