"""Arrays of one uncompressed chunk, read as zarr-python reads them."""

import json

import numpy as np
import pytest

from tokser.store import plain_arrays
from tokser.store.objects import LocalObjects
from tokser.store.plain_arrays import read_plain_array
from tokser.store.zarr_arrays import ZarrArrays, encode

ARRAYS = {
    "texts": np.array(["", "ja", "Grüße 🙂", "x" * 300], dtype=object),
    "int64": np.array([-1, 0, 2**62]),
    "int32": np.arange(6, dtype=np.int32).reshape(2, 3),
    "float16": np.array([[1.5, -np.inf], [np.nan, 0]], dtype=np.float16),
    "float32": np.float32([0.1]),
    "float64": np.array([0.1, 1e300]),
}


@pytest.fixture
def objects(tmp_path):
    return LocalObjects(tmp_path)


def put(objects, key, values, **options):
    """Write an array as zarr-python does: one chunk, unless options say otherwise."""
    for name, content in encode(values, **{"chunks": values.shape, **options}).items():
        objects.put(f"{key}/{name}", [content])


def by_library(objects, key):
    return ZarrArrays(objects).read(key, slice(None))


@pytest.mark.parametrize("name", ARRAYS)
def test_values_are_those_that_zarr_python_reads(name, objects):
    put(objects, "some/array", ARRAYS[name])
    found, expected = read_plain_array(objects, "some/array"), by_library(objects, "some/array")
    assert found is not None
    np.testing.assert_array_equal(found, expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.flags.writeable and found.tolist() is not None


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (np.arange(10), {"chunks": (5,)}),
        (np.arange(10), {"compressors": "auto"}),
        (np.arange(16), {"chunks": (4,), "shards": (16,)}),
        (np.array(["a", "b"], dtype=object), {"chunks": (1,)}),
        (np.array([True, False]), {}),
        (np.zeros(0), {"chunks": (1,)}),
    ],
    ids=["chunks", "compressed", "sharded", "texts-in-chunks", "booleans", "empty"],
)
def test_an_array_that_is_stored_otherwise_is_left_to_zarr_python(values, options, objects):
    put(objects, "array", values, **options)
    assert read_plain_array(objects, "array") is None


def test_long_texts_are_left_to_zarr_python(objects, monkeypatch):
    put(objects, "array", ARRAYS["texts"])
    monkeypatch.setattr(plain_arrays, "MOST_BYTES", 64)
    assert read_plain_array(objects, "array") is None


@pytest.mark.parametrize("name", ["texts", "int64"])
@pytest.mark.parametrize("change", ["gone", "short", "long", "empty"])
def test_damaged_chunks_are_left_to_zarr_python(name, change, objects):
    put(objects, "array", ARRAYS[name])
    content = objects.get("array/c/0")
    changed = {"short": content[:-1], "long": content + b"?", "empty": b""}
    objects.delete("array/c/0")
    if change in changed:
        objects.put("array/c/0", [changed[change]])
    assert read_plain_array(objects, "array") is None


@pytest.mark.parametrize("number", [0, 3, 5, 2**32 - 1])
def test_texts_of_another_number_are_left_to_zarr_python(number, objects):
    put(objects, "array", ARRAYS["texts"])
    content = objects.get("array/c/0")
    objects.put("array/c/0", [number.to_bytes(4, "little"), content[4:]])
    assert read_plain_array(objects, "array") is None


@pytest.mark.parametrize("metadata", [b"", b"{}", b"[1]", b"\xff", b'{"shape": 3}'])
def test_damaged_metadata_is_left_to_zarr_python(metadata, objects):
    put(objects, "array", ARRAYS["int64"])
    objects.put("array/zarr.json", [metadata])
    assert read_plain_array(objects, "array") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [4]),
        ("shape", ["3"]),
        ("data_type", "int32x"),
        ("codecs", [{"name": "bytes", "configuration": {"endian": "big"}}]),
        ("node_type", "group"),
        ("another", 1),
    ],
)
def test_unknown_metadata_is_left_to_zarr_python(key, value, objects):
    put(objects, "array", ARRAYS["int64"])
    metadata = json.loads(objects.get("array/zarr.json"))
    objects.put("array/zarr.json", [json.dumps(metadata | {key: value}).encode()])
    assert read_plain_array(objects, "array") is None


def test_an_absent_array_is_left_to_zarr_python(objects):
    assert read_plain_array(objects, "none") is None
