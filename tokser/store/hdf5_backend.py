"""A store as a folder of HDF5 files. The only file that imports h5py."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from tokser.errors import CorruptStoreError
from tokser.store.backend import Digests, RawShard, WrittenShard
from tokser.store.layout import Layout
from tokser.store.objects import LocalObjects, regular_size
from tokser.store.schema import Compression, FeatureSpec

__all__ = ["HDF5Backend"]

_ROOT_DOCUMENT = "store.json"
_GROUP_DOCUMENT = "group.json"
_LAYOUT = ("row_starts", "row_lengths")
_LOOKUP = ("keys", "table")


class HDF5Backend:
    """What lies where, with `G` a group's name and `F` a feature's.

    store.json               what the store says about itself
    utterances.h5            manifest: the CSV text; ids
    G/group.json             what the group says about itself
    G/layout.h5              row_starts, row_lengths: int64 [utterances]
    G/F/rows/00005.h5        rows: [rows, dim] of shard 5
    G/F/journal/00005.txt    its journal entry; no file: not committed
    G/F/table.h5             keys, table: of a lookup feature

    A file is encoded in memory and written once, so none is ever opened for change; metadata
    carries HDF5's own checksums.
    """

    name: ClassVar[str] = "hdf5"
    compressions: ClassVar[tuple[Compression, ...]] = ("none", "gzip")

    def __init__(self, objects: LocalObjects) -> None:
        self.objects = objects
        self._open_file: tuple[tuple[int, str], h5py.File] | None = None

    @property
    def address(self) -> str:
        """Folder of the store."""
        return self.objects.address

    def write_manifest(self, manifest: str, ids: Sequence[str], version: int = 1) -> Digests:
        """Write a version of the manifest's CSV text, and of the ids in store order."""
        names = np.array(ids, dtype=object)
        return self._put_small(_table_key(version), {"manifest": manifest, "ids": names})

    def read_document(self, group: str) -> dict[str, Any]:
        """Read a document; `CorruptStoreError` if there is none."""
        key = _document_key(group)
        try:
            content = json.loads(self.objects.get(key) or b"")
            if not isinstance(content, dict):
                raise ValueError(f"a {type(content).__name__}")
        except ValueError as error:
            raise CorruptStoreError(
                f"{self.address}/{key}",
                expected="a JSON object",
                got=f"{error}",
                remedy="Restore this file, or extract into a new store.",
            ) from error
        return content

    def write_document(self, group: str, document: dict[str, Any]) -> None:
        """Replace a document."""
        content = json.dumps(document, ensure_ascii=False, indent=1).encode()
        self.objects.put(_document_key(group), [content])

    def manifest_text(self, version: int = 1) -> str:
        """Read the manifest's CSV text."""
        text: bytes = self._read(_table_key(version), "manifest", ())
        return text.decode()

    def ids(self, version: int = 1) -> list[str]:
        """Read the ids of the utterances, in store order."""
        return [name.decode() for name in self._read(_table_key(version), "ids", slice(None))]

    def write_layout(
        self, group: str, layout: Layout, numbers: NDArray[np.int64] | None = None
    ) -> Digests:
        """Write where each utterance's rows lie."""
        arrays = {name: getattr(layout, name) for name in _LAYOUT}
        if numbers is not None:
            arrays["numbers"] = numbers
        return self._put_small(f"{group}/layout.h5", arrays)

    def read_numbers(self, group: str) -> NDArray[np.int64]:
        """Read the number of each utterance of a layout, int64 [utterances]."""
        found = self._read(f"{group}/layout.h5", "numbers", slice(None))
        return np.asarray(found, dtype=np.int64)

    def read_layout(self, group: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Read first row and number of rows of each utterance, int64 [utterances]."""
        starts, lengths = (
            np.asarray(self._read(f"{group}/layout.h5", name, slice(None)), dtype=np.int64)
            for name in _LAYOUT
        )
        return starts, lengths

    def describe_feature(self, feature: str, spec: FeatureSpec, layout: Layout) -> Digests:
        """Write nothing: shards describe themselves."""
        return {}

    def write_shard(
        self, feature: str, shard: int, rows: NDArray[Any], spec: FeatureSpec, layout: Layout
    ) -> WrittenShard:
        """Write one whole shard, [rows, dim]."""
        chunks = (min(layout.rows_per_chunk, len(rows)), *spec.row_shape)
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "chunks": chunks}
        options = {} if spec.compression == "none" else packed
        key = self.shard_key(feature, shard, spec)
        return self._put_file(key, {"rows": rows}, **options)

    def shard_key(self, feature: str, shard: int, spec: FeatureSpec) -> str:
        """Key of a shard's file among the objects."""
        return f"{feature}/rows/{shard:05d}.h5"

    def raw_shard(
        self, feature: str, shard: int, spec: FeatureSpec, layout: Layout
    ) -> RawShard | None:
        """Say where a shard's rows can be mapped: not compressed, one block."""
        path = self.objects.folder / self.shard_key(feature, shard, spec)
        first, after = layout.shard_rows(shard)
        try:
            with h5py.File(path, "r") as file:
                rows = file["rows"]
                as_planned = rows.shape == (after - first, *spec.row_shape)
                if rows.chunks is not None or not as_planned or rows.dtype != spec.dtype:
                    return None
                offset = rows.id.get_offset()
        except (OSError, KeyError, RuntimeError, AttributeError) as error:
            raise _unreadable(path, "rows", error) from error
        return None if offset is None else RawShard(path, offset)

    def raw_index(self, shard: int, spec: FeatureSpec, layout: Layout) -> bytes | None:
        """Return None: a file says at its start where its rows lie."""
        return None

    def read_rows(
        self, feature: str, first: int, after: int, spec: FeatureSpec, layout: Layout
    ) -> NDArray[Any]:
        """Read rows of one shard through h5py; `CorruptStoreError` if it cannot decode them."""
        # An utterance without rows may lie behind the last shard.
        shard = min(first // layout.rows_per_shard, layout.num_shards - 1)
        start = first - shard * layout.rows_per_shard
        key = self.shard_key(feature, shard, spec)
        rows: NDArray[Any] = self._read(key, "rows", slice(start, start + after - first))
        if rows.shape != (after - first, *spec.row_shape) or rows.dtype != spec.dtype:
            raise _unreadable(self.objects.folder / key, "rows", ValueError(f"shape {rows.shape}"))
        return rows

    def read_journal(self, feature: str, num_shards: int) -> list[str]:
        """Read the journal's texts, one per shard; empty where a shard is not committed."""
        return [self.read_entry(feature, shard) for shard in range(num_shards)]

    def read_entry(self, feature: str, shard: int) -> str:
        """Read one shard's text, empty if it is not committed."""
        content = self.objects.get(_entry_key(feature, shard))
        return "" if content is None else (content.decode(errors="replace") or "damaged")

    def write_entry(self, feature: str, shard: int, text: str) -> None:
        """Write one shard's text: from now on the shard counts."""
        self.objects.put(_entry_key(feature, shard), [text.encode()])

    def drop_entry(self, feature: str, shard: int) -> None:
        """Take a shard out of the journal: from now on it does not count."""
        self.objects.delete(_entry_key(feature, shard))

    def put_lookup(
        self, feature: str, arrays: Mapping[str, NDArray[Any]], place: int = 0
    ) -> Digests:
        """Write the key and table arrays of a lookup feature beside those of other places."""
        return self._put_small(_lookup_key(feature, place), arrays)

    def read_lookup(self, feature: str, place: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read the keys, int32 [keys], and the table, [keys, dim], of a lookup feature."""
        keys, table = (
            np.asarray(self._read(_lookup_key(feature, place), name, slice(None)))
            for name in _LOOKUP
        )
        return keys, table

    def delete_lookup(self, feature: str, place: int) -> None:
        """Remove the arrays of a lookup feature at one place."""
        self._open_file = None
        self.objects.delete(_lookup_key(feature, place))

    def _put_small(self, key: str, arrays: Mapping[str, Any]) -> Digests:
        return {key: self._put_file(key, arrays).digest}

    def _put_file(self, key: str, arrays: Mapping[str, Any], **options: Any) -> WrittenShard:
        self._open_file = None
        content = _encode(arrays, **options)
        self.objects.put(key, [content])
        return WrittenShard(len(content), xxhash.xxh3_64_hexdigest(content))

    def _read(self, key: str, name: str, rows: Any) -> Any:
        path = self.objects.folder / key
        try:
            return self._file(path)[name][rows]
        except (OSError, KeyError, RuntimeError, ValueError, AttributeError) as error:
            self._open_file = None
            raise _unreadable(path, name, error) from error

    def _file(self, path: Path) -> h5py.File:
        """Open a file, or take the one that was read last; no handle survives a fork."""
        key = (os.getpid(), str(path))
        last = self._open_file
        if last is None or last[0] != key:
            regular_size(str(path))  # opening a pipe would wait for ever
            last = (key, h5py.File(path, "r"))
            self._open_file = last
        return last[1]


def _encode(arrays: Mapping[str, Any], **options: Any) -> memoryview:
    """Return the bytes of an HDF5 file, the same for the same arrays."""
    content = io.BytesIO()
    # Aligned, so that rows can be mapped; the latest format has checksums on its metadata.
    aligned = {"alignment_threshold": 1, "alignment_interval": 64}
    with h5py.File(content, "w", libver="latest", **aligned) as file:
        for name, values in arrays.items():
            text = isinstance(values, str) or values.dtype == object
            dtype = h5py.string_dtype() if text else values.dtype
            file.create_dataset(name, data=values, dtype=dtype, track_times=False, **options)
    return content.getbuffer()


def _document_key(group: str) -> str:
    return f"{group}/{_GROUP_DOCUMENT}" if group else _ROOT_DOCUMENT


def _table_key(version: int) -> str:
    return f"versions/{version}/utterances.h5" if version > 1 else "utterances.h5"


def _lookup_key(feature: str, place: int) -> str:
    return f"{feature}/table-{place}.h5" if place else f"{feature}/table.h5"


def _entry_key(feature: str, shard: int) -> str:
    return f"{feature}/journal/{shard:05d}.txt"


def _unreadable(path: Path, name: str, error: Exception) -> CorruptStoreError:
    return CorruptStoreError(
        f"{path}, {name}",
        expected="a readable HDF5 file",
        got=f"{type(error).__name__}: {error}",
        remedy="Run `tokser store verify` to see what is damaged.",
    )
