"""What a command prints: lines, tables, or one JSON object on standard output."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokser.plain_text import shown

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "QUARANTINED_EXIT",
    "exit_if_quarantined",
    "print_json",
    "results_json",
    "show",
    "show_results",
    "tell",
]

QUARANTINED_EXIT = 3


def tell(message: str, *, colour: str | None = None, err: bool = False) -> None:
    """Print a message as text: no escape sequences, no passwords of addresses.

    Args:
        message: What may hold text of a corpus, a file name or an address.
        colour: Of all of it, on a terminal.
        err: Whether it goes to standard error.
    """
    click.secho(shown(message), fg=colour, err=err)


def print_json(content: Any) -> None:
    """Print values as JSON: dataclasses by their fields, paths as text, no number that is none."""
    tell(json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False))


def show(table: "Table") -> None:
    """Print a table on standard output."""
    from tokser.console import PlainConsole

    PlainConsole().print(table)


def show_results(folders: Sequence[Path], regressions: Sequence[Path] = ()) -> None:
    """Print the scores of results folders, and of those of `tokser regress`."""
    from tokser.terminal.results import results_tables

    for table in results_tables([*folders, *regressions]):
        show(table)


def results_json(folder: Path) -> dict[str, Any]:
    """Return a folder of results, and its scores: over seeds where there is such a table."""
    from tokser.experiments.results import tables_in

    tables = tables_in(folder)
    table = tables.summary or tables.scores
    rows = table.read(folder / table.file).astype(object)
    return {"out": folder, "results": rows.where(rows.notna(), None).to_dict("records")}


def exit_if_quarantined(quarantined: Mapping[str, Mapping[str, str]]) -> None:
    """Print the reasons of each store, and exit with 3, if an utterance was quarantined."""
    from tokser.terminal.manifests import faults_table

    for path, reasons in quarantined.items():
        if reasons:
            tell(path)
            show(faults_table(reasons))
    if any(quarantined.values()):
        sys.exit(QUARANTINED_EXIT)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):  # a NamedTuple
        return _plain(value._asdict())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # numpy's numbers
        value = value.item()
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)
