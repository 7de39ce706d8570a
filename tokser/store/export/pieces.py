"""A feature from its beginning to its end, a bounded number of bytes at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.errors import StoreIncompleteError, list_some
from tokser.store.feature_name import FeatureName
from tokser.store.layer import Layer
from tokser.store.reader import Store
from tokser.store.selection import select_features
from tokser.store.shards import read_shard

__all__ = ["Piece", "pieces", "select_layers"]


@dataclass(frozen=True)
class Piece:
    """Some utterances, one after the other.

    Attributes:
        ids: Their ids, in store order.
        rows: [rows of all, dim].
        lengths: Rows of each, int64 [utterances].
    """

    ids: list[str]
    rows: NDArray[Any]
    lengths: NDArray[np.int64]

    def each(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every id with its rows, [rows, dim]."""
        ends = np.cumsum(self.lengths).tolist()
        for name, length, end in zip(self.ids, self.lengths.tolist(), ends, strict=True):
            yield name, self.rows[end - length : end]


def select_layers(store: Store, features: Sequence[str], *, functionals: bool) -> list[Layer]:
    """Find the named features, or their functionals; all where none is named.

    Raises:
        SettingsError: The store has no such feature.
        StoreIncompleteError: A feature is incomplete, or has not been pooled.
    """
    named = list(dict.fromkeys(features))
    names = (named or store.pooled) if functionals else select_features(store, features)
    lacking = [name for name in names if functionals and name not in store.pooled]
    if lacking or not names:
        raise StoreIncompleteError(
            store.path,
            expected="functionals" if functionals else "features",
            got=f"none of {list_some(lacking)}" if lacking else "none",
            remedy=f"Run `tokser {'pool' if functionals else 'extract'}` on this store first.",
        )
    if functionals:
        names = [str(FeatureName.parse(name).functionals()) for name in names]
    layers = [store[name] for name in names]
    for layer in layers:
        layer.require_complete()
    return layers


def pieces(store: Store, layer: Layer, most_bytes: int) -> Iterator[Piece]:
    """Yield the usable utterances of a feature, and verify each checksum.

    Args:
        store: The store, opened with `check`.
        layer: One of its features, complete.
        most_bytes: What a piece holds at most, unless one utterance is larger.

    Raises:
        CorruptStoreError: The rows of an utterance, which is named, changed.
    """
    ids: list[str] = []
    rows: list[NDArray[Any]] = []
    num_bytes = 0
    for name, found in _utterances(store, layer):
        if ids and num_bytes + found.nbytes > most_bytes:
            yield _piece(ids, rows)
            ids, rows, num_bytes = [], [], 0
        ids.append(name)
        rows.append(found)
        num_bytes += found.nbytes
    if ids:
        yield _piece(ids, rows)


def _utterances(store: Store, layer: Layer) -> Iterator[tuple[str, NDArray[Any]]]:
    for shard in range(layer.layout.num_shards):
        positions = layer.layout.utterances(shard).tolist()
        for position, rows in zip(positions, read_shard(layer, shard), strict=True):
            if rows is not None:
                yield store.ids[position], rows


def _piece(ids: list[str], rows: list[NDArray[Any]]) -> Piece:
    lengths = np.array([len(found) for found in rows], dtype=np.int64)
    return Piece(ids, np.concatenate(rows), lengths)
