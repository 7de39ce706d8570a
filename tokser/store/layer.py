"""One feature of a store: what it is, and the rows of each utterance, however they are stored."""

import abc
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tokser.errors import StoreIncompleteError, list_some
from tokser.store.catalogue import Catalogue
from tokser.store.feature_name import FeatureName
from tokser.store.gather import (
    Allocate,
    PaddedBatch,
    RaggedBatch,
    Read,
    ReaderOf,
    gather_padded,
    gather_ragged,
    read_each,
)
from tokser.store.journal import JournalEntry, Record
from tokser.store.layout import Layout, PartedLayout
from tokser.store.schema import FeatureSpec, GroupAttributes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MADE_BY", "Layer"]

MADE_BY = {
    "functionals": "`tokser pool` (or `extract --functionals-only`)",
    "aligned": "`tokser align`",
}
"""Command that computes the rows, by kind; `tokser extract` for the others."""


class Layer(abc.ABC):
    """One feature of a store: rows of `dim` numbers for each utterance.

    Attributes:
        name: Name in the store, for instance `whisper-base/layer-6`.
        kind: `speech`, `text`, `aligned` or `functionals`.

    Example:
        >>> import tokser
        >>> layer = tokser.open_store("workspace/stores/emodb.zarr")["whisper-base/layer-3"]
        >>> layer.dim, layer.dtype
        (64, dtype('float16'))
        >>> layer.functionals().shape
        (30, 128)
    """

    def __init__(self, store: Catalogue, name: FeatureName) -> None:
        self._store, self._name = store, name
        self.name = str(name)
        self.kind = self._attributes.kind

    def __repr__(self) -> str:
        return f"Layer({self.name!r}, {self.num_rows} x {self.dim} {self.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self._store).__getitem__, (self._store, self.name)

    @property
    @abc.abstractmethod
    def spec(self) -> FeatureSpec:
        """Width and type of a row, and how rows are packed."""

    @property
    @abc.abstractmethod
    def num_bytes(self) -> int:
        """Bytes of what is committed, as it lies on the disk."""

    @property
    @abc.abstractmethod
    def layout(self) -> Layout | PartedLayout:
        """Where each utterance's rows lie; `CorruptStoreError` if its digest differs."""

    @property
    @abc.abstractmethod
    def entries(self) -> list[JournalEntry | None]:
        """The journal, an entry per shard; None where it is not committed."""

    @property
    @abc.abstractmethod
    def outdated(self) -> NDArray[np.int64]:
        """Positions of utterances that it lacks, or has of an older version of the table."""

    @property
    @abc.abstractmethod
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances in quarantine."""

    @abc.abstractmethod
    def records(self) -> dict[str, Record]:
        """Return what the journal says of each utterance that is committed, by id."""

    @abc.abstractmethod
    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a position of the table, [rows, dim], read only."""

    def reader_of(self, positions: Sequence[int]) -> Read:
        """Request the utterances at some positions, and return what reads each, as `rows_at`."""
        return self.rows_at

    @property
    def _attributes(self) -> GroupAttributes:
        return self._store.group(self._name.group_key)

    @property
    def dim(self) -> int:
        """Numbers in a row."""
        return self.spec.dim or 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return np.dtype(self.spec.dtype)

    @property
    def compression(self) -> str:
        """How the rows are packed; `none` where they can be mapped."""
        return self.spec.compression

    @property
    def store_path(self) -> str:
        """Folder or URL of its store."""
        return self._store.path

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the rows."""
        return self._attributes.provenance

    @cached_property
    def identity(self) -> str:
        """Digest of what the feature is: manifest, name, provenance, layout, dtype."""
        return self._store.identity(self.name)

    @property
    def is_complete(self) -> bool:
        """Whether every shard is in the journal, and every utterance in a shard as it is now."""
        return all(self.entries) and not len(self.outdated)

    def require_complete(self) -> None:
        """Raise `StoreIncompleteError` unless `is_complete`."""
        if len(self.outdated):
            raise self._outdated_error(self.outdated)
        missing = [shard for shard, entry in enumerate(self.entries) if entry is None]
        if missing:
            raise StoreIncompleteError(
                f"{self._store.path}, {self.name}",
                expected=f"{len(self.entries)} committed shards",
                got=f"{len(self.entries) - len(missing)} (missing: {list_some(missing)})",
                remedy="Run the same `tokser extract` again: it resumes where it stopped.",
            )

    def _outdated_error(self, positions: NDArray[np.int64]) -> StoreIncompleteError:
        again = {"functionals": "tokser pool", "aligned": "tokser align"}
        return StoreIncompleteError(
            f"{self._store.path}, {self.name}",
            expected=f"rows of version {self._store.version} of the utterance table",
            got=f"none of {list_some([self._store.ids[i] for i in positions.tolist()])}",
            remedy=f"Run the same `{again.get(self.kind, 'tokser extract')}` again: it computes "
            "what is new or changed.",
        )

    @cached_property
    def ids(self) -> list[str]:
        """Usable utterances, in store order; `StoreIncompleteError` if any is missing yet."""
        self.require_complete()
        quarantined = self.quarantined
        return [name for name in self._store.ids if name not in quarantined]

    @cached_property
    def lengths(self) -> "pd.Series[int]":
        """Rows of each usable utterance, int64, index = id."""
        import pandas as pd

        index = pd.Index(self._store.ids, name="id")
        lengths = pd.Series(self.layout.row_lengths, index=index, name="num_rows")
        return lengths.loc[self.ids]

    @property
    def num_rows(self) -> int:
        """Rows of all utterances together."""
        return int(self.layout.row_lengths.sum())

    def __getitem__(self, utterance: str) -> NDArray[Any]:
        """Return the rows of an utterance, [rows, dim]; read only, and no copy where it can be.

        Raises:
            SettingsError: The store has no such utterance.
            QuarantinedError: It was quarantined at extraction.
            StoreIncompleteError: Its shard is not committed yet.
            CorruptStoreError: Its shard is missing or cut short; with `open_store(check=True)`
                also if a bit of it changed.
        """
        return self.rows_at(self._store.position(utterance))

    def batch(self, utterances: Sequence[str], allocate: Allocate = np.empty) -> PaddedBatch:
        """Return utterances side by side, zeros after the last row; raises as `layer[id]`.

        Args:
            utterances: Ids.
            allocate: Makes the array from shape and dtype. With `Buffers().take` batches share
                memory, which about halves the time: new memory costs as much as the copy.
        """
        return gather_padded(*self._gather_arguments(utterances), allocate=allocate)

    def ragged(self, utterances: Sequence[str], allocate: Allocate = np.empty) -> RaggedBatch:
        """Return utterances one after the other; raises as `layer[id]`.

        Args:
            utterances: Ids.
            allocate: Makes the array from shape and dtype, as for `batch`.
        """
        return gather_ragged(*self._gather_arguments(utterances), allocate=allocate)

    def each(self, utterances: Sequence[str]) -> Iterator[NDArray[Any]]:
        """Yield the rows of each utterance as `layer[id]` returns them; together as `ragged`."""
        for _, _, rows in read_each(*self._gather_arguments(utterances)):
            yield rows

    def functionals(self) -> "pd.DataFrame":
        """Return mean then standard deviation over rows, float32 [utterances, 2*dim].

        Raises:
            StoreIncompleteError: The feature has not been pooled.
        """
        return self._store.functionals(self.name)

    def _gather_arguments(
        self, utterances: Sequence[str]
    ) -> tuple[ReaderOf, list[int], NDArray[np.int64], NDArray[Any]]:
        positions = [self._store.position(name) for name in utterances]
        empty = np.empty((0, *self.spec.row_shape), dtype=self.dtype)
        return self.reader_of, positions, self.layout.row_lengths[positions], empty
