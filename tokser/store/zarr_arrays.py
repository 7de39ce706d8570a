"""Arrays of a Zarr v3 hierarchy: read and encoded by zarr-python. The only file that imports it."""

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.core.buffer import Buffer, BufferPrototype

from tokser.errors import CorruptStoreError, RunError
from tokser.store.hub_objects import HubObjects
from tokser.store.layout import Layout
from tokser.store.objects import LocalObjects, Objects, regular_size
from tokser.store.remote_objects import RemoteObjects
from tokser.store.schema import FeatureSpec

__all__ = ["ZarrArrays", "encode", "encode_shard", "feature_metadata"]

_COMPRESSORS = {"zstd": ZstdCodec(level=3), "blosc": BloscCodec(cname="zstd", clevel=3)}


class ZarrArrays:
    """The arrays of one store, each opened when it is read first."""

    def __init__(self, objects: Objects) -> None:
        self._address = objects.address
        self._store = _zarr_store(objects)
        self._arrays: dict[str, zarr.Array[Any]] = {}

    def read(self, key: str, rows: slice) -> NDArray[Any]:
        """Read rows of an array; `CorruptStoreError` if zarr-python cannot."""
        try:
            if key not in self._arrays:  # opening one reads and parses its metadata
                self._arrays[key] = zarr.open_array(self._store, path=key, mode="r", zarr_format=3)
            return np.asarray(self._arrays[key][rows])
        except (RunError, CorruptStoreError):
            raise
        except Exception as error:
            raise CorruptStoreError(
                f"{self._address}/{key}",
                expected=f"readable rows {rows.start or 0} to {rows.stop or 'the end'}",
                got=f"{type(error).__name__}: {error}",
                remedy="Run `tokser store verify` to see what is damaged.",
            ) from error

    def forget(self, key: str) -> None:
        """Open anew whatever lies at or under a key when it is read next."""
        self._arrays = {k: v for k, v in self._arrays.items() if not f"{k}/".startswith(f"{key}/")}


def _zarr_store(objects: Objects) -> ZarrStore:
    if isinstance(objects, RemoteObjects):
        return _RemoteStore(objects)
    if isinstance(objects, LocalObjects):
        return _LocalStore(objects.folder)
    if isinstance(objects, HubObjects):
        return _HubStore(objects)
    raise TypeError(f"no Zarr store over {type(objects).__name__}")


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


class _HubStore(_LocalStore):
    """What zarr-python reads in a repository of the hub: files of its cache, fetched first."""

    def __init__(self, objects: HubObjects) -> None:
        root = objects.local_path("zarr.json")
        if root is None:
            raise FileNotFoundError(objects.address)
        super().__init__(root.parent, read_only=True)
        self._objects = objects

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read a file, or some bytes of it; None if there is none."""
        if self._objects.local_path(key) is None:
            return None
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


def feature_metadata(spec: FeatureSpec, layout: Layout) -> dict[str, bytes]:
    """Return the zarr.json of a feature's arrays, by name."""
    compressors = _COMPRESSORS.get(spec.compression)
    rows = encode(
        None,
        shape=(layout.num_rows, *spec.row_shape),
        shards=(layout.rows_per_shard, *spec.row_shape),
        chunks=(layout.rows_per_chunk, *spec.row_shape),
        dtype=spec.dtype,
        compressors=compressors,
        dimension_names=("row", "dim")[: 1 + len(spec.row_shape)],
    )
    journal = encode(None, shape=(layout.num_shards,), chunks=(1,), dtype="string")
    return {"rows": rows["zarr.json"], "journal": journal["zarr.json"]}


def encode_shard(rows: NDArray[Any], spec: FeatureSpec, layout: Layout) -> bytes:
    """Return the bytes of a compressed shard."""
    shard_shape = (layout.rows_per_shard, *spec.row_shape)
    files = encode(
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


def encode(values: NDArray[Any] | None, **settings: Any) -> dict[str, bytes]:
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
