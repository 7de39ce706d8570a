"""Settings of `tokser report`."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import LARGEST

__all__ = ["ReportSettings"]


def _asked_for(value: Any) -> Any:
    """Read True as the map by the features of the predictions, and False as none."""
    return {True: "auto", False: None}.get(value, value) if isinstance(value, bool) else value


class ReportSettings(Settings):
    """`tokser report`: which results go on the page."""

    TOPICS: ClassVar = {
        "Input": ("results", "runs"),
        "Utterances": ("map", "map_method", "errors", "audio", "stores", "roots"),
        "Output": ("formats", "columns", "out", "title"),
    }

    results: Annotated[
        tuple[Path, ...], Field(min_length=1), Option(is_argument=True, kind="folder")
    ]
    """Folders written by `tokser classify`, `regress`, `probe`, `similarity` and so on."""
    runs: Annotated[tuple[Path, ...], Option(name="--run", aliases=("--runs",), kind="folder")] = ()
    """Folder of a pretraining run whose curves are plotted."""
    map: Annotated[
        str | None,
        BeforeValidator(_asked_for),
        Option(metavar="[FEATURE]", bare="auto", unset="no map"),
    ] = None
    """Add a map of the test utterances, coloured by label, prediction or speaker: by the features
    of the predictions, or by others that are pooled."""
    map_method: Literal["pca", "umap"] = "pca"
    """pca: the two directions of largest variance; umap: neighbours stay together (needs the extra
    `map`, and takes a minute)."""
    errors: Annotated[int, Field(ge=0, le=LARGEST), Option(metavar="N")] = 20
    """How many errors are listed for each dataset, the most confident first; 0: none."""
    audio: Annotated[int, Field(ge=0, le=LARGEST), Option(metavar="N")] = 0
    """How many recordings can be played, errors first: they are put into the page, as Ogg/Opus,
    some 5 kB a second. The size is said before."""
    stores: Annotated[
        tuple[str, ...],
        Option(name="--store", metavar="PATH|URL", unset="the one that made the results"),
    ] = ()
    """Where functionals, speakers and transcripts are read, if the store has moved."""
    roots: Annotated[
        tuple[Path, ...], Option(name="--root", kind="folder", unset="that of the store")
    ] = ()
    """Folder of the corpus, where its recordings are read, if it has moved."""
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
