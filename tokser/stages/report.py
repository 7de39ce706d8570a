"""Stage 6: tables and plots of the results, on one page or as files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tokser.config import ReportSettings
from tokser.errors import InputError
from tokser.progress import say
from tokser.provenance import write_atomically
from tokser.report.inputs import read_inputs

if TYPE_CHECKING:
    from tokser.report.inputs import Inputs
    from tokser.report.sections import Section

__all__ = ["report"]

_PAGE = "report.html"


def report(settings: ReportSettings) -> list[Path]:
    """Write the page, or tables and figures; return the paths, the page's first.

    The page carries its own provenance: what made each of the folders, and the settings that
    make them again.

    Raises:
        MissingInputError: Folders or files do not exist; all of them are named.
        InputError: A file is not what its name says, a folder has different scores of one
            configuration, or `out` is a folder where it should be a file, or the other way round;
            features or a store that were named cannot be had.
        StoreError: A store that was named is none, is damaged, or is another's.
    """
    only_page = set(settings.formats) == {"html"}
    out = settings.out or Path(_PAGE if only_page else "report")
    _check_out(out, only_page)
    settings = settings.model_copy(update={"out": out})
    inputs = read_inputs(settings.results, settings.runs)
    page = out if only_page else out / _PAGE
    files = _files(settings, inputs, page, _explored(settings, inputs))
    for path, render in files:
        write_atomically(path, render())
    where = str(out) if only_page else f"{len(files)} files in {out}"
    num_results = len(inputs.experiments) + len(inputs.studies)
    say(f"report: {num_results} results, {len(inputs.runs)} runs -> {where}")
    return [path for path, _ in files]


def _explored(settings: ReportSettings, inputs: "Inputs") -> "list[Section]":
    """Gather the sections; what only the page shows is left out where there is none."""
    from tokser.report.explore import explore
    from tokser.report.maps import attention_anchors
    from tokser.report.sections import find_sections
    from tokser.stages.embed_recordings import embed_recordings

    sections = find_sections(inputs)
    if "html" not in settings.formats:
        if settings.map or settings.audio:
            say("report: no map and no recordings, which only the page has: add --format html")
        settings = settings.model_copy(update={"map": None, "audio": 0})
    return explore(sections, settings, embed_recordings, attention_anchors(inputs.runs))


def _files(
    settings: ReportSettings, inputs: "Inputs", page: Path, sections: "list[Section]"
) -> list[tuple[Path, Callable[[], bytes]]]:
    """List the files to write, each with what makes its content."""
    # Matplotlib is needed only from here on.
    from tokser.report.catalogue import figures_of, tables_of
    from tokser.report.page import render
    from tokser.report.renderers import TABLE_FORMATS, render_table

    found: list[tuple[Path, Callable[[], bytes]]] = []
    if "html" in settings.formats:
        found.append((page, lambda: render(settings, inputs, sections).encode()))
    others = [form for form in dict.fromkeys(settings.formats) if form != "html"]
    for form in others:
        if form == "latex" or form == "csv" or form == "md":
            for table in tables_of(sections, inputs, settings.columns):
                path = page.parent / f"{table.name}{TABLE_FORMATS[form][0]}"
                found.append((path, lambda t=table, f=form: render_table(t, f).encode()))  # type: ignore[misc]
        else:
            for name, figure in figures_of(sections, inputs.runs, inputs.studies).items():
                path = page.parent / f"{name}.{form}"
                found.append((path, lambda d=figure, f=form: d.render(f)))  # type: ignore[misc]
    return found


def _check_out(out: Path, only_page: bool) -> None:
    if only_page and out.is_dir():
        raise InputError(
            out,
            expected="the path of a file",
            got="a folder",
            remedy=f"Use `--out {out / _PAGE}`.",
        )
    if not only_page and out.is_file():
        raise InputError(
            out,
            expected="the path of a folder, for several files",
            got="a file",
            remedy=f"Use `--out {out.with_suffix('')}`, or only --format html.",
        )
