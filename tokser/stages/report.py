"""Stage 6: tables and plots of the results, on one page."""

from pathlib import Path

from tokser.config import ReportSettings
from tokser.errors import InputError
from tokser.progress import say
from tokser.provenance import write_atomically
from tokser.report.results import read_inputs

__all__ = ["report"]


def report(settings: ReportSettings) -> Path:
    """Write the page; return its path.

    The page carries its own provenance: what made each of the folders, and the settings that
    make them again.

    Raises:
        MissingInputError: Folders or files do not exist; all of them are named.
        InputError: A file is not what its name says, two folders hold the same configuration, or
            the page's path is a folder.
    """
    if settings.out.is_dir():
        raise InputError(
            settings.out,
            expected="the path of a file",
            got="a folder",
            remedy=f"Use `--out {settings.out / 'report.html'}`.",
        )
    results, runs = read_inputs(settings.results, settings.runs)
    # Matplotlib is needed only from here on.
    from tokser.report.page import render

    page = render(settings, results, runs)
    write_atomically(settings.out, page.encode())
    say(f"report: {len(results)} results, {len(runs)} runs -> {settings.out}")
    return settings.out
