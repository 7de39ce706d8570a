"""Several results folders side by side."""

from tokser.config import CompareResultsSettings
from tokser.errors import InputError
from tokser.provenance import write_atomically
from tokser.report.compare_results.compare import CompareResults, compare_folders
from tokser.report.compare_results.tables import comparison_tables
from tokser.report.renderers import TABLE_FORMATS, render_table

__all__ = ["compare_results"]


def compare_results(settings: CompareResultsSettings) -> CompareResults:
    """Compare settings, scores and evaluations of results folders; write the tables.

    Raises:
        SettingsError: There are fewer than two different folders.
        InputError: Folders are of different corpora or tasks, have other labels, or are damaged.
    """
    found = compare_folders(settings.results, seed=settings.seed)
    if settings.out is None:
        return found
    if settings.out.is_file():
        raise InputError(
            settings.out,
            expected="the path of a folder",
            got="a file",
            remedy="Name a folder with --out.",
        )
    for table in comparison_tables(found):
        for form in settings.formats or ("csv",):
            path = settings.out / f"{table.name}{TABLE_FORMATS[form][0]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, render_table(table, form).encode())
    return found
