"""NumPy's own format: archives of some 64 MB, and a table that says which one has an utterance.

One archive per utterance would be hundreds of thousands of small files, with ids as their names;
one per feature could not be written, or copied, in parts.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.store.export.pieces import Piece, pieces
from tokser.store.layer import Layer
from tokser.store.reader import Store
from tokser.store.schema import FUNCTIONALS

__all__ = ["INDEX", "write_npz"]

ARCHIVE_BYTES = 64 * 2**20
"""What an archive holds at most, unless one utterance is larger."""
INDEX = "utterances.csv"


def write_npz(store: Store, layer: Layer, folder: Path, on_rows: Callable[[int], None]) -> None:
    """Write a feature into a new folder: `00000.npz` and so on, and `utterances.csv`.

    An archive holds an array [rows, dim] under each id; of functionals, `ids` [utterances] and
    `functionals` [utterances, 2*dim], mean then standard deviation.

    Args:
        store: The store, opened with `check`.
        layer: The feature.
        folder: Where to write; must not exist.
        on_rows: Called with the number of rows done since the last call.
    """
    import pandas as pd

    folder.mkdir(parents=True)
    found: list[tuple[str, str, int]] = []
    for number, piece in enumerate(pieces(store, layer, ARCHIVE_BYTES)):
        file = f"{number:05d}.npz"
        _write_archive(folder / file, layer, piece)
        lengths = piece.lengths.tolist()
        found += [(name, file, length) for name, length in zip(piece.ids, lengths, strict=True)]
        on_rows(len(piece.rows))
    index = pd.DataFrame(found, columns=["id", "file", "num_rows"]).set_index("id")
    index.join(store.utterances).to_csv(folder / INDEX, lineterminator="\n")


def _write_archive(path: Path, layer: Layer, piece: Piece) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        if layer.kind == FUNCTIONALS:
            _add(archive, "ids", np.array(piece.ids))
            _add(archive, FUNCTIONALS, piece.rows)
            return
        for name, rows in piece.each():
            _add(archive, name, rows)


def _add(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    # np.savez would want all arrays at once, and write the time of day into the archive.
    member = zipfile.ZipInfo(f"{name}.npy")
    with archive.open(member, "w", force_zip64=True) as file:
        np.lib.format.write_array(file, values, allow_pickle=False)
