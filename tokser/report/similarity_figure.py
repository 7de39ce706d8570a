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
_MOST_WITH_ENDS = 8
"""Features up to which cells hold how far the interval reaches, too."""
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
    reach = _reach(table, names)
    best = _nearest(names, numbers)
    has_ends = len(names) <= _MOST_WITH_ENDS and bool(np.isfinite(reach).any())

    def paint(axes: Axes) -> None:
        for (down, across), number in np.ndenumerate(numbers):
            _paint_cell(axes, down, across, number, is_written=len(names) <= _MOST_WRITTEN)
            if (
                np.isfinite(reach[down, across])
                and down != across
                and len(names) <= _MOST_WITH_ENDS
            ):
                shown = f"\N{PLUS-MINUS SIGN}{reach[down, across]:.2f}"
                axes.text(across, down + 0.26, shown, ha="center", va="center", size=7, color=INK)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.set_xlabel(
            "Linear CKA (\N{PLUS-MINUS SIGN}: 95 % interval)" if has_ends else "Linear CKA"
        )
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)

    longest = max(len(name) for name in names)
    height = (_CELL + 4 * has_ends) * len(names) + 7 * longest + 40
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


def _reach(table: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Return half the width of each interval, NaN where there is none."""
    half = (table["cka_high"] - table["cka_low"]) / 2
    square = table.assign(half=half).pivot_table(
        index="first", columns="second", values="half", dropna=False
    )
    return np.asarray(square.reindex(index=names, columns=names), dtype=float)


def _nearest(names: list[str], numbers: np.ndarray) -> str:
    """Say which other feature each one is most like."""
    told = []
    for place, name in enumerate(names):
        others = np.where(np.arange(len(names)) == place, np.nan, numbers[place])
        if not np.isnan(others).all():
            other = int(np.nanargmax(others))
            told.append(f"{name} is most like {names[other]}, CKA {others[other]:.2f}")
    return "; ".join(told)
