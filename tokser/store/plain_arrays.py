"""Arrays of a Zarr hierarchy that are one uncompressed chunk, read without zarr-python.

Tables of ids and of places are written so. zarr-python takes a third of a second to import, which
is as long as everything else that opening a store and reading functionals takes.
"""

import json
import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.store.objects import Objects

__all__ = ["MOST_BYTES", "read_plain_array"]

MOST_BYTES = 4 * 2**20
"""Of texts that are decoded here, one by one; zarr-python is faster with more."""
_NUMBERS = {"int32", "int64", "float16", "float32", "float64"}
_TEXT = "string"
_CODECS: dict[str, list[dict[str, Any]]] = {
    _TEXT: [{"name": "vlen-utf8", "configuration": {}}],
    **{
        name: [{"name": "bytes", "configuration": {"endian": "little"}}]
        for name in sorted(_NUMBERS)
    },
}
_FREE = {"attributes", "fill_value"}
"""Metadata that does not matter where the only chunk is there."""


def read_plain_array(objects: Objects, key: str) -> NDArray[Any] | None:
    """Read an array whole.

    Args:
        objects: Of the store.
        key: Of the array.

    Returns:
        The values that zarr-python would read; None where it has to, or to say what is wrong: the
        array is stored in another way, or something of it is not there or cut short.

    Raises:
        CorruptStoreError: What lies there is no file.
        RunError: The service does not answer.
    """
    shape, kind = _described(objects.get(f"{key}/zarr.json"))
    if not shape:
        return None
    content = objects.get("/".join([key, "c", *["0"] * len(shape)]))
    if content is None:
        return None
    if kind == _TEXT:
        return _texts(content, shape[0]) if len(shape) == 1 else None
    if len(content) != math.prod(shape) * np.dtype(kind).itemsize:
        return None
    return np.frombuffer(content, np.dtype(kind).newbyteorder("<")).reshape(shape).astype(kind)


def _described(metadata: bytes | None) -> tuple[tuple[int, ...], str]:
    """Return shape and type of an array that is one uncompressed chunk; no shape for others."""
    try:
        found = json.loads(metadata or b"")
        shape, kind = tuple(found["shape"]), found["data_type"]
        expected = {
            "shape": list(shape),
            "data_type": kind,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shape)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": _CODECS[kind],
            "zarr_format": 3,
            "node_type": "array",
            "storage_transformers": [],
        }
        is_plain = {name: of for name, of in found.items() if name not in _FREE} == expected
        is_full = all(isinstance(size, int) and size > 0 for size in shape)
    except (ValueError, KeyError, TypeError, AttributeError):
        return (), ""
    return (shape, kind) if is_plain and is_full else ((), "")


def _texts(content: bytes, count: int) -> NDArray[Any] | None:
    """Return texts, each of which follows its length; None if that is not what bytes hold."""
    if len(content) > MOST_BYTES or len(content) < 4:
        return None
    (number,), place = struct.unpack_from("<I", content), 4
    texts: list[str] = []
    try:
        for _ in range(number):
            (size,) = struct.unpack_from("<I", content, place)
            texts.append(content[place + 4 : place + 4 + size].decode())
            place += 4 + size
    except (struct.error, UnicodeDecodeError):
        return None
    if number != count or place != len(content):
        return None
    return np.array(texts, dtype=np.dtypes.StringDType())
