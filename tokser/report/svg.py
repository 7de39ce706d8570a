"""Matplotlib figures as inline SVG that takes its colours and type from the page."""

import hashlib
import io
import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLOURS", "INK", "LINE", "MUTED", "PAPER", "draw", "standing_alone"]

# Each stands for a CSS variable of the page, so one figure is legible in light and dark.
INK, MUTED, LINE, PAPER = "#010001", "#010002", "#010003", "#010004"
COLOURS = ("#010101", "#010102", "#010103", "#010104", "#010105", "#010106")
_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--rule", PAPER: "--paper"} | {
    colour: f"--c{i}" for i, colour in enumerate(COLOURS, start=1)
}
_LIGHT = {
    "--paper": "#ffffff",
    "--ink": "#1a1d21",
    "--muted": "#59616b",
    "--rule": "#d9dde2",
    "--c1": "#0072b2",
    "--c2": "#d55e00",
    "--c3": "#008a66",
    "--c4": "#b65a91",
    "--c5": "#b97f00",
    "--c6": "#3d97cc",
}
"""The page's colours by day."""
_POINTS_PER_INCH = 72
_WIDTH = 400
"""Units, of which one is a CSS pixel at full size: legible on a phone without zooming."""


def draw(paint: Callable[[Axes], None], *, height: int, title: str, description: str) -> str:
    """Paint one set of axes in the page's style, and return it as inline SVG.

    Args:
        paint: Draws on the axes; it uses the colours of this module only.
        height: Height of the figure, in units of which the width has 400.
        title: Name of the figure, for those who do not see it.
        description: What the figure shows, numbers included.

    Returns:
        One `<svg role="img">` element. The same figure gives the same text.
    """
    with rc_context(_style()):
        figure = Figure(figsize=(_WIDTH / _POINTS_PER_INCH, height / _POINTS_PER_INCH))
        axes = figure.subplots()
        paint(axes)
        buffer = io.StringIO()
        silent = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=silent)
    return _inline(buffer.getvalue(), title, description)


def standing_alone(element: str) -> str:
    """Turn what `draw` returns into an SVG file, in the page's light colours."""
    colours = "".join(f"{name}:{value};" for name, value in _LIGHT.items())
    head = f'<svg xmlns="http://www.w3.org/2000/svg" style="background:#ffffff;{colours}"'
    return f"{element.replace('<svg', head, 1)}\n"


def _style() -> Any:  # matplotlib lists its keys as literals, which differ between releases
    return {
        "figure.constrained_layout.use": True,
        "figure.facecolor": "none",
        "figure.dpi": _POINTS_PER_INCH,
        "savefig.facecolor": "none",
        "axes.facecolor": "none",
        "axes.edgecolor": LINE,
        "axes.labelcolor": MUTED,
        "axes.labelsize": 11.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 0.7,
        "text.color": INK,
        "text.parse_math": False,
        "font.family": "DejaVu Sans",
        "font.size": 11.5,
        "xtick.color": LINE,
        "ytick.color": LINE,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": 11,
        "ytick.labelsize": 11,
        "ytick.major.size": 0,
        "legend.frameon": False,
        "legend.fontsize": 11,
        "lines.linewidth": 2.0,
        "lines.markersize": 6,
        "svg.fonttype": "none",
        "svg.hashsalt": "tokser",
    }


def _inline(text: str, title: str, description: str) -> str:
    """Turn an SVG file into an element of which many can stand on one page."""
    view = re.search(r'viewBox="([^"]+)"', text)
    inner = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    # The file's style sheet would hold for the whole page, and its ids are the same in each file.
    inner = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", inner, flags=re.S)
    mark = "f" + hashlib.sha256(f"{title}\n{description}\n{inner}".encode()).hexdigest()[:10]
    inner = re.sub(r'\bid="([^"]+)"', rf'id="{mark}-\1"', inner)
    inner = re.sub(r"url\(#([^)]+)\)", rf"url(#{mark}-\1)", inner)
    inner = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{mark}-\1"', inner)
    for colour, variable in _VARIABLES.items():
        inner = inner.replace(f": {colour}", f": var({variable})")
    inner = inner.replace("'DejaVu Sans'", "system-ui, sans-serif")
    return (
        f'<svg role="img" viewBox="{view.group(1) if view else ""}" '
        f'aria-labelledby="{mark}-title {mark}-desc">'
        f'<title id="{mark}-title">{escape(title)}</title>'
        f'<desc id="{mark}-desc">{escape(description)}</desc>{inner}</svg>'
    )
