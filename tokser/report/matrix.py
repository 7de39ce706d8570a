"""The confusion matrix as a figure."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tokser.report.confusion import Confusion
from tokser.report.svg import COLOURS, INK, MUTED, Drawing, draw

__all__ = ["confusion_matrix"]

_CELL = 34
"""Height of a row."""
_DEPTH = 0.45
"""How much of the colour a share of 1 has: text stays legible on it."""


def confusion_matrix(title: str, confusion: Confusion, stamp: str = "") -> Drawing:
    """Draw a confusion matrix: true labels down, predictions across, percent of the row.

    Args:
        title: Dataset, protocol and features.
        confusion: Counts of at least one label.
        stamp: Of the protocol, if it has one; drawn above.
    """
    rows = list(confusion.rows())
    worst = [
        f"{label} taken for {other}: {100 * share:.1f} % of {total}"
        for label, total, cells in rows
        for other, _, share in cells
        if other != label and share >= 0.1
    ]

    def paint(axes: Axes) -> None:
        for down, (_, total, cells) in enumerate(rows):
            for across, (_, number, share) in enumerate(cells):
                corner = (across - 0.5, down - 0.5)
                axes.add_patch(Rectangle(corner, 1, 1, fc=COLOURS[0], alpha=_DEPTH * share, lw=0))
                text = f"{100 * share:.0f}" if number else "0"
                ink = INK if number else MUTED
                axes.text(across, down, text, ha="center", va="center", size=10, color=ink)
            axes.text(len(rows) - 0.4, down, f"n = {total}", va="center", size=9, color=MUTED)
        axes.set_xlim(-0.5, len(rows) + 0.6)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xticks(range(len(rows)), confusion.labels, rotation=40, ha="right")
        axes.set_yticks(range(len(rows)), confusion.labels)
        axes.tick_params(length=0)
        axes.set_xlabel("Prediction [% of the true label]")
        axes.grid(visible=False)
        axes.set_title(stamp, loc="left", size=10, weight="bold")
        for spine in axes.spines.values():
            spine.set_visible(False)

    hits = ", ".join(
        f"{label} {100 * share:.1f} %"
        for label, _, cells in rows
        for other, _, share in cells
        if other == label
    )
    description = "; ".join([f"Recognised: {hits}", *worst])
    return draw(paint, height=_CELL * len(rows) + 96, title=title, description=description)
