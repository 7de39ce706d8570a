"""The confusion matrix as a figure."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tokser.report.confusion import Confusion
from tokser.report.svg import COLOURS, INK, MUTED, Drawing, draw

__all__ = ["confusion_matrix"]

_CELL = 34
"""Height of a row."""
_DEPTH = 0.45
"""How much of the colour a share of 1 has: text stays legible on it."""
_MENTIONED = 0.1
"""Share from which on a confusion is described in words."""


def confusion_matrix(title: str, confusion: Confusion, stamp: str = "") -> Drawing:
    """Draw a confusion matrix: labels down, predictions across, percent of the row.

    Args:
        title: Dataset, protocol and features.
        confusion: Counts of at least one label.
        stamp: Of the protocol, if it has one; drawn above.
    """
    labels, shares, totals = confusion.labels, confusion.shares, confusion.totals
    worst = [
        f"{labels[i]} predicted as {labels[j]}: {100 * shares[i, j]:.1f} % of {totals[i]}"
        for i, j in np.argwhere(shares >= _MENTIONED)
        if i != j
    ]

    def paint(axes: Axes) -> None:
        for (down, across), share in np.ndenumerate(shares):
            corner = (across - 0.5, down - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fc=COLOURS[0], alpha=_DEPTH * share, lw=0))
            ink = INK if share else MUTED
            text = f"{100 * share:.0f}"
            axes.text(across, down, text, ha="center", va="center", size=10, color=ink)
        for down, total in enumerate(totals):
            axes.text(len(labels) - 0.4, down, f"n = {total}", va="center", size=9, color=MUTED)
        axes.set_xlim(-0.5, len(labels) + 0.6)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
        axes.set_yticks(range(len(labels)), labels)
        axes.tick_params(length=0)
        axes.set_xlabel("Prediction [% of the label]")
        axes.grid(visible=False)
        axes.set_title(stamp, loc="left", size=10, weight="bold")
        for spine in axes.spines.values():
            spine.set_visible(False)

    recalls = ", ".join(
        f"{label} {100 * share:.1f} %" for label, share in zip(labels, np.diag(shares), strict=True)
    )
    description = "; ".join([f"Recall: {recalls}", *worst])
    return draw(paint, height=_CELL * len(labels) + 96, title=title, description=description)
