"""A store as a Zarr v3 hierarchy."""

import json
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tokser.errors import CorruptStoreError, StoreMismatchError
from tokser.store.backend import Digests, RawShard, WrittenShard
from tokser.store.layout import Layout
from tokser.store.objects import Objects
from tokser.store.plain_arrays import read_plain_array
from tokser.store.schema import FUNCTIONALS, PARTS, Compression, FeatureSpec, not_a_store
from tokser.store.zarr_shard import digest_of_parts, index_bytes, raw_shard_parts

if TYPE_CHECKING:
    from tokser.store.zarr_arrays import ZarrArrays

__all__ = ["ROOT_DOCUMENT", "ZarrBackend"]

ROOT_DOCUMENT = "zarr.json"
_ATTRIBUTES = "tokser"
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

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

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
        return str(self._whole(f"{_table_place(version)}manifest")[0])

    def ids(self, version: int = 1) -> list[str]:
        """Read the ids of the utterances, in store order."""
        found: list[str] = self._whole(f"{_table_place(version)}ids").tolist()
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
        return self._whole(f"{group}/numbers").astype(np.int64)

    def read_layout(self, group: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Read first row and number of rows of each utterance, int64 [utterances]."""
        starts, lengths = (self._whole(f"{group}/{name}") for name in _LAYOUT)
        return starts.astype(np.int64), lengths.astype(np.int64)

    def describe_feature(self, feature: str, spec: FeatureSpec, layout: Layout) -> Digests:
        """Write the metadata of a feature's arrays."""
        from tokser.store.zarr_arrays import feature_metadata

        self._arrays.forget(feature)
        digests = self._put_plain_group(feature)
        for name, metadata in feature_metadata(spec, layout).items():
            digests |= self._put(f"{feature}/{name}/zarr.json", metadata)
        return digests

    def write_shard(
        self, feature: str, shard: int, rows: NDArray[Any], spec: FeatureSpec, layout: Layout
    ) -> WrittenShard:
        """Write one whole shard, [rows, dim]."""
        if spec.compression == "none":
            parts = raw_shard_parts(rows, spec, layout)
        else:
            from tokser.store.zarr_arrays import encode_shard

            parts = [encode_shard(rows, spec, layout)]
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
        path, index = self.objects.local_path(key), self.raw_index(shard, spec, layout)
        if path is None or index is None:
            return None
        size = self.objects.size(key) or 0
        in_order = self.objects.get_range(key, max(size - len(index), 0), size) == index
        return RawShard(path, 0) if in_order else None

    def raw_index(self, shard: int, spec: FeatureSpec, layout: Layout) -> bytes | None:
        """Return what a shard ends in if its rows lie at its start, in order; None if packed."""
        first, after = layout.shard_rows(shard)
        return index_bytes(after - first, spec, layout) if spec.compression == "none" else None

    def read_rows(
        self, feature: str, first: int, after: int, spec: FeatureSpec, layout: Layout
    ) -> NDArray[Any]:
        """Read rows through zarr-python; `CorruptStoreError` if it cannot decode them."""
        rows = self._arrays.read(f"{feature}/rows", slice(first, after))
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
        keys, table = (self._whole(f"{feature}/{name}{_suffix(place)}") for name in _LOOKUP)
        return keys, table

    def delete_lookup(self, feature: str, place: int) -> None:
        """Remove the arrays of a lookup feature at one place."""
        for name in _LOOKUP:
            self._arrays.forget(f"{feature}/{name}{_suffix(place)}")
            self.objects.delete(f"{feature}/{name}{_suffix(place)}")

    @cached_property
    def _arrays(self) -> "ZarrArrays":
        # Imported here: what is mapped, and plain arrays, do without.
        from tokser.store.zarr_arrays import ZarrArrays

        return ZarrArrays(self.objects)

    def _whole(self, key: str) -> NDArray[Any]:
        """Read an array whole."""
        found = read_plain_array(self.objects, key)
        return self._arrays.read(key, slice(None)) if found is None else found

    def _put_array(self, key: str, values: NDArray[Any]) -> Digests:
        """Write an array as one uncompressed chunk; its metadata comes last."""
        from tokser.store.zarr_arrays import encode

        self._arrays.forget(key)
        files = encode(values, chunks=tuple(max(size, 1) for size in values.shape))
        digests: Digests = {}
        for name in sorted(files, key="zarr.json".__eq__):
            digests |= self._put(f"{key}/{name}", files[name])
        return digests

    def _put_plain_group(self, name: str) -> Digests:
        return self._put(f"{name}/zarr.json", _group_node({}))

    def _put(self, key: str, content: bytes) -> Digests:
        self.objects.put(key, [content])
        return {key: digest_of_parts([content])}


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
