"""Settings of `tokser report`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option

__all__ = ["ReportSettings"]


class ReportSettings(Settings):
    """`tokser report`: which results go on the page."""

    TOPICS: ClassVar = {
        "Input": ("results", "runs"),
        "Output": ("formats", "columns", "out", "title"),
    }

    results: Annotated[
        tuple[Path, ...], Field(min_length=1), Option(is_argument=True, kind="folder")
    ]
    """Folders written by `tokser classify`, `regress`, `probe`, `similarity` and so on."""
    runs: Annotated[tuple[Path, ...], Option(name="--run", aliases=("--runs",), kind="folder")] = ()
    """Folder of a pretraining run whose curves are plotted."""
    formats: Annotated[
        tuple[Literal["html", "latex", "csv", "md", "png", "pdf", "svg"], ...],
        Field(min_length=1),
        Option(name="--format", aliases=("--formats",)),
    ] = ("html",)
    """html: the page; latex, csv, md: its tables, a file each; png, pdf, svg: its figures."""
    columns: Annotated[
        tuple[str, ...],
        Option(
            name="--column", aliases=("--columns",), joined=",", metavar="NAME,...", unset="all"
        ),
    ] = ()
    """Columns that tables of scores keep in latex, csv and md, by their headings: UAR,n."""
    out: Annotated[
        Path | None,
        Option(short="-o", unset="report.html, or the folder report with another format"),
    ] = None
    """The page; with another format, the folder of the files."""
    title: str = "tokser report"
    """Title of the page."""
    caution: Annotated[str, Option(shown=False)] = ""
    """A sentence shown at the top of the page."""
