"""`tokser.report`: the page of several results, their tables and figures as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from tokser.api.options import ReportOptions
from tokser.config import ReportSettings
from tokser.config.keywords import settings_from
from tokser.missing_packages import names_missing_packages

__all__ = ["report"]


@names_missing_packages
def report(
    *results: Any,
    out: str | Path | None = None,
    runs: Sequence[Any] = (),
    **options: Unpack[ReportOptions],
) -> Path:
    """Write the page, or tables and figures, of results.

    Args:
        *results: `Results`, or their folders.
        out: The page; with other formats the folder of the files. Without: `report.html`, or the
            folder `report`.
        runs: Pretraining runs whose curves are shown, or their folders.
        **options: As `tokser report --help` shows them: `formats=["latex"]`, `title`.

    Returns:
        The page, or the folder of the files.

    Raises:
        InputError: A keyword is unknown, a folder is missing or damaged, or `out` is no such place.

    Example:
        >>> import tokser
        >>> results = tokser.classify(
        ...     "workspace/stores/emodb.zarr",
        ...     features="whisper-base/layer-3",
        ...     protocols="speaker",
        ...     heads="logreg",
        ... )
        >>> tokser.report(results, out="emodb.html").name
        'emodb.html'
    """
    from tokser.stages.report import report as run

    given = {"results": _folders(results), "runs": _folders(runs), "out": out, **options}
    settings = settings_from(ReportSettings, given, where="tokser.report")
    first, *_ = run(settings)
    return first if set(settings.formats) == {"html"} else first.parent


def _folders(things: Sequence[Any]) -> tuple[str | Path, ...]:
    """Return folders of things that have one, or are one."""
    flat = [one for thing in things for one in (thing if isinstance(thing, list) else [thing])]
    return tuple(getattr(one, "folder", one) for one in flat)
