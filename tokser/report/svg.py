"""Matplotlib figures as inline SVG that takes its colours and type from the page, or as files."""

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self
from xml.sax.saxutils import escape

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokser.plain_text import plain
from tokser.report.palette import LIGHT, named

__all__ = ["COLOURS", "INK", "LINE", "MUTED", "PAPER", "Drawing", "FileFormat", "draw"]

FileFormat = Literal["png", "pdf", "svg"]

# Names of colours, whose values depend on where the figure is shown.
INK, MUTED, LINE, PAPER = "tokser:ink", "tokser:muted", "tokser:rule", "tokser:paper"
COLOURS = tuple(f"tokser:c{number}" for number in range(1, 7))
_NAMES = (INK, MUTED, LINE, PAPER, *COLOURS)
_DAY = {name: LIGHT[name.removeprefix("tokser:")] for name in _NAMES}
# Inline, each stands for a CSS variable of the page, so a figure is legible in light and dark.
_MARKS = {name: f"#0101{number:02d}" for number, name in enumerate(_NAMES)}
_POINTS_PER_INCH = 72
_WIDTH = 400
"""Units, of which one is a CSS pixel at full size: legible on a phone without zooming."""
_DOTS_PER_INCH = 300
"""Of PNG files."""


class Drawing(str):
    """A figure: as text, inline SVG for the page; `render` makes a file of it.

    Attributes:
        heading: Name of the figure.
        description: What it shows, numbers included.
    """

    heading: str
    description: str
    _paint: Callable[[Axes], None]
    _size: tuple[int, int]

    def __new__(
        cls,
        paint: Callable[[Axes], None],
        *,
        height: int,
        title: str,
        description: str,
        width: int = _WIDTH,
    ) -> Self:
        """Paint the inline form."""
        svg = _saved(paint, (width, height), _MARKS, "svg").decode()
        inline = _inline(svg, plain(title), plain(description))
        drawing = super().__new__(cls, inline)
        drawing._paint, drawing._size = paint, (width, height)
        drawing.heading, drawing.description = title, description
        return drawing

    def render(self, form: FileFormat) -> bytes:
        """Return a file, on white, in the page's light colours.

        Text stays text in SVG and PDF; PNG has 300 dots an inch. The same figure gives the same
        bytes.
        """
        return _saved(self._paint, self._size, _DAY, form, title=self.heading)


def draw(
    paint: Callable[[Axes], None],
    *,
    height: int,
    title: str,
    description: str,
    width: int = _WIDTH,
) -> Drawing:
    """Paint one set of axes in the page's style, and return it as inline SVG.

    Args:
        paint: Draws on the axes; it uses the colours of this module only.
        height: Height of the figure, in units of which the width has 400 by default.
        title: Name of the figure, for those who do not see it.
        description: What the figure shows, numbers included.
        width: Width of the figure, in the same units.

    Returns:
        One `<svg role="img">` element. The same figure gives the same text.
    """
    return Drawing(paint, height=height, title=title, description=description, width=width)


def _saved(
    paint: Callable[[Axes], None],
    size: tuple[int, int],
    colours: Mapping[str, str],
    form: FileFormat,
    title: str = "",
) -> bytes:
    """Paint a figure and save it while its colours are known by name."""
    buffer = io.BytesIO()
    silent: dict[FileFormat, dict[str, Any]] = {
        "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
        "pdf": {"Title": title, "CreationDate": None},
        "png": {"Title": title, "Software": None},
    }
    with named(colours), rc_context(_style()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands in its place
        figure = Figure(figsize=(size[0] / _POINTS_PER_INCH, size[1] / _POINTS_PER_INCH))
        paint(figure.subplots())
        dots = _DOTS_PER_INCH if form == "png" else _POINTS_PER_INCH
        ground = PAPER if title else "none"
        options: dict[str, Any] = {"metadata": silent[form], "dpi": dots, "facecolor": ground}
        figure.savefig(buffer, format=form, **options)
    # XML has no form of control characters, which matplotlib passes on.
    drawn = buffer.getvalue()
    return plain(drawn.decode()).encode() if form == "svg" else drawn


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
        "pdf.fonttype": 42,
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
    for name, mark_of_colour in _MARKS.items():
        variable = name.replace("tokser:", "--")
        inner = inner.replace(f": {mark_of_colour}", f": var({variable})")
    inner = inner.replace("'DejaVu Sans'", "system-ui, sans-serif")
    return (
        f'<svg role="img" viewBox="{view.group(1) if view else ""}" '
        f'aria-labelledby="{mark}-title {mark}-desc">'
        f'<title id="{mark}-title">{escape(title)}</title>'
        f'<desc id="{mark}-desc">{escape(description)}</desc>{inner}</svg>'
    )
