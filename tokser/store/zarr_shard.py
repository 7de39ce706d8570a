"""An uncompressed Zarr v3 shard, byte for byte: rows, then an index that says where they are.

The sharding codec allows chunks in any order; written here, and by zarr-python, they follow one
another, so the rows of a shard are one array at the start of its file.
"""

from collections.abc import Iterable
from typing import Any

import google_crc32c
import numpy as np
import xxhash
from numpy.typing import NDArray

from tokser.store.layout import Layout
from tokser.store.schema import FeatureSpec

__all__ = ["digest_of_parts", "index_bytes", "raw_shard_parts"]

_ABSENT = np.iinfo(np.uint64).max


def raw_shard_parts(rows: NDArray[Any], spec: FeatureSpec, layout: Layout) -> list[Any]:
    """Return the pieces of a shard's file, in order; the rows are not copied.

    Args:
        rows: All rows of the shard, [rows, dim], C order.
        spec: Width and dtype.
        layout: Rows per shard and chunk.
    """
    missing = -len(rows) % layout.rows_per_chunk
    padding = np.zeros(missing * spec.row_bytes, dtype=np.uint8)
    return [rows.data.cast("B"), padding.data, index_bytes(len(rows), spec, layout)]


def index_bytes(num_rows: int, spec: FeatureSpec, layout: Layout) -> bytes:
    """Return the index of a shard with its crc32c: offset and size of every chunk, uint64."""
    num_chunks = layout.rows_per_shard // layout.rows_per_chunk
    filled = -(-num_rows // layout.rows_per_chunk)
    chunk_bytes = layout.rows_per_chunk * spec.row_bytes
    index = np.full((num_chunks, 2), _ABSENT, dtype="<u8")
    index[:filled, 0] = np.arange(filled) * chunk_bytes
    index[:filled, 1] = chunk_bytes
    content = index.tobytes()
    crc = int(google_crc32c.value(content))
    return content + crc.to_bytes(4, "little")


def digest_of_parts(parts: Iterable[Any]) -> str:
    """Return the xxh3-64 (hex) of pieces, one after the other."""
    hasher = xxhash.xxh3_64()
    for part in parts:
        hasher.update(part)
    return hasher.hexdigest()
