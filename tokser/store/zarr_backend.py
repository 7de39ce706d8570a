"""A store as a Zarr v3 hierarchy. The only file that imports zarr."""

import json
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.core.buffer import Buffer, BufferPrototype

from tokser.errors import CorruptStoreError, RunError, StoreMismatchError
from tokser.store.backend import Digests, RawShard, WrittenShard
from tokser.store.layout import Layout
from tokser.store.objects import LocalObjects, Objects, regular_size
from tokser.store.remote_objects import RemoteObjects
from tokser.store.schema import FUNCTIONALS, PARTS, Compression, FeatureSpec, not_a_store
from tokser.store.zarr_shard import digest_of_parts, index_bytes, raw_shard_parts

__all__ = ["ROOT_DOCUMENT", "ZarrBackend", "local_zarr", "remote_zarr"]

ROOT_DOCUMENT = "zarr.json"
_ATTRIBUTES = "tokser"
_COMPRESSORS = {"zstd": ZstdCodec(level=3), "blosc": BloscCodec(cname="zstd", clevel=3)}
_LAYOUT = ("row_starts", "row_lengths")
_LOOKUP = ("keys", "table")


class ZarrBackend:
    """What lies where, with `G` a group's name and `F` a feature's.

    manifest                      string [1]: the manifest's CSV text
    ids                           string [utterances]
    G/row_starts, G/row_lengths   int64 [utterances]
    G/F/rows                      [rows, dim], sharded
    G/F/journal                   string [shards]; empty: not committed
    G/F/keys, G/F/table           of a lookup feature

    Writes go through `objects`, so that a file is there whole or not at all; zarr-python encodes
    what is not a raw shard, and reads everything that cannot be mapped.
    """

    name: ClassVar[str] = "zarr"
    compressions: ClassVar[tuple[Compression, ...]] = ("none", "zstd", "blosc")

    def __init__(self, objects: Objects, store: ZarrStore) -> None:
        self.objects, self._store = objects, store
        self._arrays: dict[str, zarr.Array[Any]] = {}

    @property
    def address(self) -> str:
        """Folder or URL of the store."""
        return self.objects.address

    def write_manifest(self, manifest: str, ids: Sequence[str], version: int = 1) -> Digests:
        """Write a version of the manifest's CSV text, and of the ids in store order."""
        place = _table_place(version)
        digests: Digests = {}
        for group in ("versions", place.rstrip("/")) if place else ():
            digests |= self._put_plain_group(group)
        text, names = (np.array(values, dtype=object) for values in ([manifest], ids))
        digests |= self._put_array(f"{place}manifest", text)
        return digests | self._put_array(f"{place}ids", names)

    def read_document(self, group: str) -> dict[str, Any]:
        """Read a group's `tokser` attributes; `CorruptStoreError` if there are none."""
        key = _join(group, ROOT_DOCUMENT)
        try:
            node = json.loads(self.objects.get(key) or b"")
            if (node["zarr_format"], node["node_type"]) != (3, "group"):
                raise ValueError(f"node of type {node['node_type']}")
            if not group and _ATTRIBUTES not in node.get("attributes", {}):
                raise not_a_store(self.address, "a Zarr group without tokser attributes")
            content: dict[str, Any] = node["attributes"][_ATTRIBUTES]
        except StoreMismatchError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptStoreError(
                f"{self.address}/{key}",
                expected="a Zarr v3 group with tokser attributes",
                got=f"{type(error).__name__}: {error}",
                remedy="Restore this file, or extract into a new store.",
            ) from error
        return content

    def write_document(self, group: str, document: dict[str, Any]) -> None:
        """Replace a group's `tokser` attributes."""
        self._put(_join(group, ROOT_DOCUMENT), _group_node({_ATTRIBUTES: document}))

    def manifest_text(self, version: int = 1) -> str:
        """Read the manifest's CSV text."""
        return str(self._read(f"{_table_place(version)}manifest", slice(None))[0])

    def ids(self, version: int = 1) -> list[str]:
        """Read the ids of the utterances, in store order."""
        found: list[str] = self._read(f"{_table_place(version)}ids", slice(None)).tolist()
        return found

    def write_layout(
        self, group: str, layout: Layout, numbers: NDArray[np.int64] | None = None
    ) -> Digests:
        """Write where each utterance's rows lie, and the plain groups above."""
        above = group.split("/")[:-1]
        digests: Digests = {}
        for depth, name in enumerate(above):
            if name in (FUNCTIONALS, PARTS):  # the others have documents of their own
                digests |= self._put_plain_group("/".join(above[: depth + 1]))
        for name in _LAYOUT:
            digests |= self._put_array(f"{group}/{name}", getattr(layout, name))
        if numbers is not None:
            digests |= self._put_array(f"{group}/numbers", numbers)
        return digests

    def read_numbers(self, group: str) -> NDArray[np.int64]:
        """Read the number of each utterance of a layout, int64 [utterances]."""
        return self._read(f"{group}/numbers", slice(None)).astype(np.int64)

    def read_layout(self, group: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Read first row and number of rows of each utterance, int64 [utterances]."""
        starts, lengths = (self._read(f"{group}/{name}", slice(None)) for name in _LAYOUT)
        return starts.astype(np.int64), lengths.astype(np.int64)

    def describe_feature(self, feature: str, spec: FeatureSpec, layout: Layout) -> Digests:
        """Write the metadata of a feature's arrays."""
        self._forget(feature)
        digests = self._put_plain_group(feature)
        for name, metadata in _feature_metadata(spec, layout).items():
            digests |= self._put(f"{feature}/{name}/zarr.json", metadata)
        return digests

    def write_shard(
        self, feature: str, shard: int, rows: NDArray[Any], spec: FeatureSpec, layout: Layout
    ) -> WrittenShard:
        """Write one whole shard, [rows, dim]."""
        if spec.compression == "none":
            parts = raw_shard_parts(rows, spec, layout)
        else:
            parts = [_encode_shard(rows, spec, layout)]
        with ThreadPoolExecutor(1) as pool:  # the disk takes its time; hash meanwhile
            digest = pool.submit(digest_of_parts, parts)
            self.objects.put(self.shard_key(feature, shard, spec), parts)
            return WrittenShard(sum(len(part) for part in parts), digest.result())

    def shard_key(self, feature: str, shard: int, spec: FeatureSpec) -> str:
        """Key of a shard's file among the objects."""
        return "/".join([feature, "rows", "c", str(shard), *["0"] * len(spec.row_shape)])

    def raw_shard(
        self, feature: str, shard: int, spec: FeatureSpec, layout: Layout
    ) -> RawShard | None:
        """Say where a shard's rows can be mapped: local, uncompressed, chunks in order."""
        key = self.shard_key(feature, shard, spec)
        path = self.objects.local_path(key)
        if path is None or spec.compression != "none":
            return None
        first, after = layout.shard_rows(shard)
        index = index_bytes(after - first, spec, layout)
        size = self.objects.size(key) or 0
        in_order = self.objects.get_range(key, max(size - len(index), 0), size) == index
        return RawShard(path, 0) if in_order else None

    def read_rows(
        self, feature: str, first: int, after: int, spec: FeatureSpec, layout: Layout
    ) -> NDArray[Any]:
        """Read rows through zarr-python; `CorruptStoreError` if it cannot decode them."""
        rows = self._read(f"{feature}/rows", slice(first, after))
        if rows.shape != (after - first, *spec.row_shape) or rows.dtype != spec.dtype:
            raise CorruptStoreError(
                f"{self.address}/{feature}/rows",
                expected=f"{(after - first, *spec.row_shape)} {spec.dtype}",
                got=f"{rows.shape} {rows.dtype}",
                remedy="Its zarr.json is damaged: run `tokser store repair`.",
            )
        return rows

    def read_journal(self, feature: str, num_shards: int) -> list[str]:
        """Read the journal's texts, one per shard; empty where a shard is not committed."""
        keys = [_entry_key(feature, shard) for shard in range(num_shards)]
        return [_decode_text(found) for found in self.objects.get_many(keys)]

    def read_entry(self, feature: str, shard: int) -> str:
        """Read one shard's text, empty if it is not committed."""
        return _decode_text(self.objects.get(_entry_key(feature, shard)))

    def write_entry(self, feature: str, shard: int, text: str) -> None:
        """Write one shard's text: from now on the shard counts."""
        content = text.encode()
        header = struct.pack("<II", 1, len(content))
        self.objects.put(_entry_key(feature, shard), [header, content])

    def drop_entry(self, feature: str, shard: int) -> None:
        """Take a shard out of the journal: from now on it does not count."""
        self.objects.delete(_entry_key(feature, shard))

    def put_lookup(
        self, feature: str, arrays: Mapping[str, NDArray[Any]], place: int = 0
    ) -> Digests:
        """Write the key and table arrays of a lookup feature beside those of other places."""
        digests = self._put_plain_group(feature)
        for name, values in arrays.items():
            digests |= self._put_array(f"{feature}/{name}{_suffix(place)}", values)
        return digests

    def read_lookup(self, feature: str, place: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read the keys, int32 [keys], and the table, [keys, dim], of a lookup feature."""
        keys, table = (
            self._read(f"{feature}/{name}{_suffix(place)}", slice(None)) for name in _LOOKUP
        )
        return keys, table

    def delete_lookup(self, feature: str, place: int) -> None:
        """Remove the arrays of a lookup feature at one place."""
        for name in _LOOKUP:
            self._forget(f"{feature}/{name}{_suffix(place)}")
            self.objects.delete(f"{feature}/{name}{_suffix(place)}")

    def _read(self, key: str, rows: slice) -> NDArray[Any]:
        try:
            if key not in self._arrays:  # opening one reads and parses its metadata
                self._arrays[key] = zarr.open_array(self._store, path=key, mode="r", zarr_format=3)
            return np.asarray(self._arrays[key][rows])
        except (RunError, CorruptStoreError):
            raise
        except Exception as error:
            raise CorruptStoreError(
                f"{self.address}/{key}",
                expected=f"readable rows {rows.start or 0} to {rows.stop or 'the end'}",
                got=f"{type(error).__name__}: {error}",
                remedy="Run `tokser store verify` to see what is damaged.",
            ) from error

    def _put_array(self, key: str, values: NDArray[Any]) -> Digests:
        """Write an array as one uncompressed chunk; its metadata comes last."""
        self._forget(key)
        files = _encode(values, chunks=tuple(max(size, 1) for size in values.shape))
        digests: Digests = {}
        for name in sorted(files, key="zarr.json".__eq__):
            digests |= self._put(f"{key}/{name}", files[name])
        return digests

    def _put_plain_group(self, name: str) -> Digests:
        return self._put(f"{name}/zarr.json", _group_node({}))

    def _put(self, key: str, content: bytes) -> Digests:
        self.objects.put(key, [content])
        return {key: digest_of_parts([content])}

    def _forget(self, key: str) -> None:
        self._arrays = {k: v for k, v in self._arrays.items() if not f"{k}/".startswith(f"{key}/")}


def local_zarr(objects: LocalObjects) -> ZarrBackend:
    """Return the backend of a folder on this machine."""
    return ZarrBackend(objects, _LocalStore(objects.folder))


def remote_zarr(objects: RemoteObjects) -> ZarrBackend:
    """Return the backend of a URL."""
    return ZarrBackend(objects, _RemoteStore(objects))


class _LocalStore(zarr.storage.LocalStore):
    """What zarr-python reads in a folder: files alone, since reading a pipe would never end."""

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read a file, or some bytes of it; `CorruptStoreError` if it is something else."""
        regular_size(str(self.root / key))
        return await super().get(key, prototype, byte_range)


class _RemoteStore(zarr.storage.ObjectStore[Any]):
    """What zarr-python reads at a URL; a service that does not answer is no damaged array."""

    def __init__(self, objects: RemoteObjects) -> None:
        super().__init__(objects.bucket, read_only=True)
        self._objects = objects

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read an object, or some bytes of it; `RunError` if the service does not answer."""
        with self._objects.reached(key):
            return await super().get(key, prototype, byte_range)


def _feature_metadata(spec: FeatureSpec, layout: Layout) -> dict[str, bytes]:
    """Return the zarr.json of a feature's arrays, by name."""
    compressors = _COMPRESSORS.get(spec.compression)
    rows = _encode(
        None,
        shape=(layout.num_rows, *spec.row_shape),
        shards=(layout.rows_per_shard, *spec.row_shape),
        chunks=(layout.rows_per_chunk, *spec.row_shape),
        dtype=spec.dtype,
        compressors=compressors,
        dimension_names=("row", "dim")[: 1 + len(spec.row_shape)],
    )
    journal = _encode(None, shape=(layout.num_shards,), chunks=(1,), dtype="string")
    return {"rows": rows["zarr.json"], "journal": journal["zarr.json"]}


def _encode_shard(rows: NDArray[Any], spec: FeatureSpec, layout: Layout) -> bytes:
    """Return the bytes of a compressed shard."""
    shard_shape = (layout.rows_per_shard, *spec.row_shape)
    files = _encode(
        rows,
        shape=shard_shape,
        shards=shard_shape,
        chunks=(layout.rows_per_chunk, *spec.row_shape),
        dtype=spec.dtype,
        compressors=_COMPRESSORS[spec.compression],
    )
    del files["zarr.json"]
    (content,) = files.values()
    return content


def _encode(values: NDArray[Any] | None, **settings: Any) -> dict[str, bytes]:
    """Return the files that zarr-python makes of an array, by key, in memory."""
    if values is not None and "shape" not in settings:
        dtype = "string" if values.dtype == object else values.dtype
        settings |= {"shape": values.shape, "dtype": dtype}
    files: dict[str, Any] = {}
    options = {"compressors": None, "filters": None} | settings
    if options["dtype"] == "string":
        del options["filters"]
    # Rows of zeros are data here; leaving their chunks out would make the shard sparse.
    with zarr.config.set({"array.write_empty_chunks": True}):
        array = zarr.create_array(zarr.storage.MemoryStore(files), zarr_format=3, **options)
        if values is not None and len(values):
            array[: len(values)] = values
    return {key: buffer.to_bytes() for key, buffer in files.items()}


def _group_node(attributes: dict[str, Any]) -> bytes:
    node = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    return json.dumps(node, ensure_ascii=False, indent=1).encode()


def _table_place(version: int) -> str:
    return f"versions/{version}/" if version > 1 else ""


def _suffix(place: int) -> str:
    return f"-{place}" if place else ""


def _entry_key(feature: str, shard: int) -> str:
    return f"{feature}/journal/c/{shard}"


def _decode_text(content: bytes | None) -> str:
    """Undo the codec vlen-utf8 of an array with one string."""
    if content is None:
        return ""
    whole = content[:8] == struct.pack("<II", 1, len(content) - 8) if len(content) > 8 else False
    return content[8:].decode(errors="replace") if whole else "damaged"


def _join(group: str, name: str) -> str:
    return f"{group}/{name}" if group else name
