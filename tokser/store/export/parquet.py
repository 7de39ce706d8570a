"""Parquet: one file per feature, one row per utterance, a row group per piece."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from tokser.store.export.arrow import ArrowTables
from tokser.store.export.pieces import pieces
from tokser.store.layer import Layer
from tokser.store.reader import Store

__all__ = ["write_parquet"]

ROW_GROUP_BYTES = 16 * 2**20
"""pyarrow needs twelve times as much memory to write them."""


def write_parquet(store: Store, layer: Layer, file: Path, on_rows: Callable[[int], None]) -> None:
    """Write a feature into a new file: id, the manifest's columns, and `rows`.

    `rows` is a list of lists of `dim` numbers; functionals are columns `mean_0 ... std_0 ...`.

    Args:
        store: The store, opened with `check`.
        layer: The feature.
        file: Where to write; must not exist.
        on_rows: Called with the number of rows done since the last call.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    tables = ArrowTables(store, layer, moments=True)
    # Activations hardly shrink and do not repeat: neither packed nor in a dictionary.
    options = {
        "compression": dict.fromkeys(tables.labels, "snappy"),
        "use_dictionary": tables.labels,
        "write_statistics": tables.labels,
    }
    with pq.ParquetWriter(file, tables.schema, **options) as writer:
        for piece in pieces(store, layer, ROW_GROUP_BYTES):
            writer.write_table(tables.table(piece), row_group_size=len(piece.ids))
            on_rows(len(piece.rows))
