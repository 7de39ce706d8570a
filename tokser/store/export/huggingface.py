"""A folder that Hugging Face's `datasets.load_from_disk` reads. The only file that imports it."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokser.errors import MissingPackageError
from tokser.store.export.arrow import ArrowTables
from tokser.store.export.pieces import pieces
from tokser.store.layer import Layer
from tokser.store.reader import Store

__all__ = ["require_datasets", "write_dataset"]

BATCH_BYTES = 64 * 2**20


def require_datasets() -> Any:
    """Return the package `datasets`; `MissingPackageError` if it is not installed."""
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise MissingPackageError(
            "datasets",
            expected="Hugging Face's datasets, to write its format",
            got=str(error),
            remedy="Install it: pip install 'tokser[export]'.",
        ) from error


def write_dataset(store: Store, layer: Layer, folder: Path, on_rows: Callable[[int], None]) -> None:
    """Write a feature as a dataset: id, the manifest's columns, and `rows`, or `functionals`.

    The rows go through one temporary file, so the disk holds them twice for a while.

    Args:
        store: The store, opened with `check`.
        layer: The feature.
        folder: Where to write; must not exist.
        on_rows: Called with the number of rows done since the last call.

    Raises:
        MissingPackageError: `datasets` is not installed.
    """
    datasets = require_datasets()
    writer_of = importlib.import_module("datasets.arrow_writer").ArrowWriter
    tables = ArrowTables(store, layer)
    features = datasets.Features.from_arrow_schema(tables.schema)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.arrow")
    try:
        with writer_of(path=str(temporary), features=features) as writer:
            for piece in pieces(store, layer, BATCH_BYTES):
                writer.write_table(tables.table(piece))
                on_rows(len(piece.rows))
            writer.finalize()
        with _no_bars(datasets):
            datasets.Dataset.from_file(str(temporary)).save_to_disk(str(folder))
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _no_bars(datasets: Any) -> Iterator[None]:
    """Keep the package from drawing a bar of its own over ours."""
    were_off = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            datasets.enable_progress_bars()
