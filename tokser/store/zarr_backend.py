"""A store as a Zarr v3 hierarchy. The only file that imports zarr."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import GroupNotFoundError

from tokser.errors import CorruptStoreError, MissingInputError, StoreMismatchError
from tokser.provenance import sync_to_disk
from tokser.store.layout import Layout
from tokser.store.schema import FORMAT, FeatureSpec, GroupAttributes, RootAttributes

__all__ = ["ZarrBackend"]

_KEY = "tokser"


class ZarrBackend:
    """Raw reads and writes of one store; knows keys and bytes, not what they mean.

    The hierarchy, with `G` a group's name and `F` a feature's:

        manifest                string [1]: the manifest's CSV text
        G/row_starts, G/row_lengths   int64 [utterances]
        G/F/rows                [rows, dim], sharded
        G/F/journal             string [shards]; empty: not committed
        G/F_keys, G/F_table     of a lookup feature
    """

    def __init__(self, path: Path, root: "zarr.Group") -> None:
        self.path, self._root = path, root
        self._arrays: dict[str, Any] = {}

    @classmethod
    def open(cls, path: Path, *, writable: bool = False) -> "ZarrBackend":
        """Open a store that exists.

        Raises:
            MissingInputError: There is nothing at `path`.
            StoreMismatchError: What is there is no store, or of a later format.
        """
        if not path.is_dir():
            raise MissingInputError(
                path,
                expected="a store",
                got="nothing",
                remedy="Write one with `tokser extract --store`, or correct the path.",
            )
        try:
            root = zarr.open_group(path, mode="r+" if writable else "r", zarr_format=3)
        except GroupNotFoundError as error:
            raise _not_a_store(path, "a folder that is no Zarr group") from error
        if _KEY not in root.attrs:
            raise _not_a_store(path, "a Zarr group without tokser attributes")
        return cls(path, root)

    @classmethod
    def create(cls, path: Path, attributes: RootAttributes, manifest: str) -> "ZarrBackend":
        """Lay down an empty store; its attributes come last, and make it one.

        Raises:
            StoreMismatchError: Something else is at `path` already.
        """
        if path.exists() and not _is_unfinished(path):
            raise _not_a_store(path, "a folder that holds something else")
        root = zarr.create_group(path, overwrite=True, zarr_format=3)
        array = root.create_array("manifest", shape=(1,), chunks=(1,), dtype="string")
        array[0] = manifest
        root.attrs[_KEY] = attributes.model_dump(mode="json")
        _sync_tree(path)
        return cls(path, root)

    def root_attributes(self) -> RootAttributes:
        """Read what the store says about itself."""
        content: Any = self._root.attrs[_KEY]
        if content.get("format") != FORMAT:
            raise _not_a_store(self.path, f"format {content.get('format')}")
        return RootAttributes.model_validate(content)

    def set_root_attributes(self, attributes: RootAttributes) -> None:
        """Replace what the store says about itself."""
        self._root.attrs[_KEY] = attributes.model_dump(mode="json")

    def manifest_text(self) -> str:
        """Read the manifest's CSV text."""
        return str(self._read("manifest", slice(0, 1))[0])

    def group_attributes(self, group: str) -> GroupAttributes:
        """Read what a group says about itself."""
        return GroupAttributes.model_validate(self._group(group).attrs[_KEY])

    def set_group_attributes(self, group: str, attributes: GroupAttributes) -> None:
        """Replace what a group says about itself."""
        self._group(group).attrs[_KEY] = attributes.model_dump(mode="json")

    def create_group(self, group: str, layout: Layout) -> None:
        """Lay down a group without features."""
        node = self._root.require_group(group)
        for name in ("row_starts", "row_lengths"):
            self._put_array(node, name, getattr(layout, name))
        _sync_tree(self.path / group)

    def read_layout(self, group: str, attributes: GroupAttributes) -> Layout:
        """Read where each utterance's rows lie."""
        starts, lengths = (
            np.asarray(self._read(f"{group}/{name}", slice(None)), dtype=np.int64)
            for name in ("row_starts", "row_lengths")
        )
        return Layout(starts, lengths, attributes.rows_per_shard, attributes.rows_per_chunk)

    def create_feature(self, group: str, feature: str, spec: FeatureSpec, layout: Layout) -> None:
        """Lay down the empty arrays of a feature, dropping what an interrupted call left."""
        self._arrays.clear()
        node = self._group(group).create_group(feature, overwrite=True)
        wide = () if spec.dim is None else (spec.dim,)
        node.create_array(
            "rows",
            shape=(layout.num_rows, *wide),
            shards=(layout.rows_per_shard, *wide),
            chunks=(layout.rows_per_chunk, *wide),
            dtype=spec.dtype,
            compressors=None,
            filters=None,
            dimension_names=("row", "dim")[: 1 + len(wide)],
        )
        node.create_array(
            "journal", shape=(layout.num_shards,), chunks=(1,), dtype="string", compressors=None
        )
        _sync_tree(self.path / group / feature)

    def write_shard(self, feature: str, shard: int, first_row: int, rows: NDArray[Any]) -> int:
        """Write one whole shard, once, down to the disk; return its size in bytes."""
        array = self._root[f"{feature}/rows"]
        # Rows of zeros are data here; leaving their chunks out would make the shard sparse.
        with zarr.config.set({"array.write_empty_chunks": True}):
            array[first_row : first_row + len(rows)] = rows  # type: ignore[index]
        file = self._shard_file(feature, shard, rows.ndim)
        _sync(file)
        return file.stat().st_size

    def shard_bytes(self, feature: str, shard: int, num_axes: int) -> int | None:
        """Size of a shard's file, None if it is missing."""
        file = self._shard_file(feature, shard, num_axes)
        return file.stat().st_size if file.is_file() else None

    def commit(self, feature: str, shard: int, entry: str) -> None:
        """Write a journal entry, down to the disk: from now on the shard counts."""
        self._root[f"{feature}/journal"][shard] = entry  # type: ignore[index]
        _sync(self.path / feature / "journal" / "c" / str(shard))

    def journal(self, feature: str) -> list[str]:
        """Read a feature's journal, a text per shard; empty where it is not committed."""
        return [str(text) for text in self._read(f"{feature}/journal", slice(None))]

    def read_rows(self, feature: str, first: int, after: int) -> NDArray[Any]:
        """Read rows of a feature.

        Raises:
            CorruptStoreError: The library cannot decode them.
        """
        return self._read(f"{feature}/rows", slice(first, after))

    def put_lookup(self, group: str, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the key and table arrays of a lookup feature."""
        self._arrays.clear()
        for suffix, values in arrays.items():
            self._put_array(self._group(group), f"{name}_{suffix}", values)
        _sync_tree(self.path / group)

    def read_lookup(self, group: str, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read the keys, int32 [keys], and the table, [keys, dim], of a lookup feature."""
        return (
            self._read(f"{group}/{name}_keys", slice(None)),
            self._read(f"{group}/{name}_table", slice(None)),
        )

    def _read(self, key: str, rows: slice) -> NDArray[Any]:
        try:
            if key not in self._arrays:  # opening one reads and parses its metadata
                self._arrays[key] = self._root[key]
            return np.asarray(self._arrays[key][rows])
        except Exception as error:  # zarr and its codecs raise whatever they like
            raise CorruptStoreError(
                self.path / key,
                expected=f"readable rows {rows.start or 0} to {rows.stop or 'the end'}",
                got=f"{type(error).__name__}: {error}",
                remedy="Run `tokser store verify` to see what is damaged.",
            ) from error

    def _group(self, name: str) -> "zarr.Group":
        node = self._root[name]
        if not isinstance(node, zarr.Group):
            raise _not_a_store(self.path / name, "an array where a group belongs")
        return node

    @staticmethod
    def _put_array(node: "zarr.Group", name: str, values: NDArray[Any]) -> None:
        shape = tuple(max(size, 1) for size in values.shape)
        array = node.create_array(
            name, shape=values.shape, chunks=shape, dtype=values.dtype, overwrite=True
        )
        array[...] = values

    def _shard_file(self, feature: str, shard: int, num_axes: int) -> Path:
        rest = ["0"] * (num_axes - 1)
        return self.path.joinpath(feature, "rows", "c", str(shard), *rest)


def _not_a_store(path: Path, got: str) -> StoreMismatchError:
    return StoreMismatchError(
        path,
        expected=f"a tokser store of format {FORMAT}",
        got=got,
        remedy="Correct the path; nothing was changed.",
    )


def _is_unfinished(path: Path) -> bool:
    """Tell whether a folder is empty, or a store whose creation was cut short."""
    if not path.is_dir() or {entry.name for entry in path.iterdir()} - {"zarr.json", "manifest"}:
        return False
    try:
        return not dict(zarr.open_group(path, mode="r", zarr_format=3).attrs)
    except GroupNotFoundError:
        return True


def _sync(file: Path) -> None:
    """Force a file, and the folders that lead to it, down to the disk."""
    for path in (file, *list(file.parents)[:3]):
        sync_to_disk(path)


def _sync_tree(folder: Path) -> None:
    files: Iterable[Path] = (entry for entry in folder.rglob("*") if entry.is_file())
    for file in files:
        _sync(file)
