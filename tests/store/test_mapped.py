"""Mapped rows are what was written; what a reader notices of files that change under it."""

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import google_crc32c
import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.errors import CorruptStoreError
from tokser.store import FeatureSpec, GroupPlan, StoreWriter, mapped, open_store
from tokser.store.backend import RawShard

FEATURE = "whisper-tiny/layer-2"


@st.composite
def plans(draw):
    """Any lengths, width, dtype and cut."""
    lengths = np.array(draw(st.lists(st.integers(0, 40), min_size=1, max_size=12)))
    if not lengths.any():
        lengths[0] = 1
    dtype = draw(st.sampled_from(["float16", "float32", "int32"]))
    chunk = draw(st.integers(1, 9))
    num_chunks = -(-int(lengths.max()) // chunk) + draw(st.integers(0, 4))
    dim = None if dtype == "int32" else draw(st.integers(1, 9))
    return GroupPlan(
        name="whisper-tiny",
        kind="speech",
        features={"layer-2": FeatureSpec(dim=dim, dtype=dtype)},
        lengths=lengths,
        provenance={},
        cut=(num_chunks * chunk, chunk),
    )


def _write(plan, path):
    """Write random rows; return the store, and the rows of each utterance."""
    spec, rng = plan.features["layer-2"], np.random.default_rng(0)
    rows = [(rng.normal(size=(n, *spec.row_shape)) * 100).astype(spec.dtype) for n in plan.lengths]
    ids = [f"utt{i:03d}" for i in range(len(rows))]
    text = pd.DataFrame({"id": ids, "num_samples": 1}).to_csv(index=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    with StoreWriter(path, dataset="x", manifest_text=text, manifest_digest=digest) as writer:
        group = writer.plan_group(plan)
        for shard in group.pending():
            span = slice(*group.layout.shard_utterances(shard))
            group.commit(shard, {"layer-2": rows[span]}, {})
    return open_store(path), dict(zip(ids, rows, strict=True))


def _through_the_library(store, name):
    layer = store[FEATURE]
    start = int(layer.layout.row_starts[store.position(name)])
    after = start + int(layer.layout.row_lengths[store.position(name)])
    return store.backend.read_rows(FEATURE, start, after, layer.spec, layer.layout)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
@settings(max_examples=15, deadline=None)
@given(plan=plans())
def test_mapped_rows_are_the_librarys_and_those_written(suffix, plan):
    with tempfile.TemporaryDirectory() as folder:
        store, written = _write(plan, Path(folder) / f"toy{suffix}")
        layer = store[FEATURE]
        for name, expected in written.items():
            found = layer[name]
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(_through_the_library(store, name), expected)
        shards = {int(layer.layout.shard_of[store.position(name)]) for name in written}
        assert set(layer._mapped) == shards


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(plan=plans())
def test_raw_shards_are_those_of_zarr_python_byte_for_byte(plan):
    with tempfile.TemporaryDirectory() as folder:
        store, written = _write(plan, Path(folder) / "toy.zarr")
        layout, spec = store[FEATURE].layout, plan.features["layer-2"]
        with zarr.config.set({"array.write_empty_chunks": True}):
            array = zarr.create_array(
                Path(folder) / "theirs",
                shape=(layout.num_rows, *spec.row_shape),
                shards=(layout.rows_per_shard, *spec.row_shape),
                chunks=(layout.rows_per_chunk, *spec.row_shape),
                dtype=spec.dtype,
                compressors=None,
                filters=None,
            )
            flat = np.zeros(array.shape, dtype=spec.dtype)
            for start, rows in zip(layout.row_starts, written.values(), strict=True):
                flat[start : start + len(rows)] = rows
            array[...] = flat
        ours = Path(store.path) / FEATURE / "rows" / "c"
        files = {file.relative_to(ours) for file in ours.rglob("*") if file.is_file()}
        assert len(files) == layout.num_shards
        for file in files:
            assert (ours / file).read_bytes() == (Path(folder) / "theirs/c" / file).read_bytes()


@pytest.mark.parametrize("stores", ["zarr", "hdf5"], indirect=True)
def test_a_mapped_read_is_no_copy_and_read_only(stores):
    layer = stores.complete()[FEATURE]
    rows = layer["utt000"]
    assert not rows.flags.owndata
    assert np.shares_memory(rows, layer["utt000"])
    with pytest.raises(ValueError, match="read-only"):
        rows[0, 0] = 1


@pytest.mark.parametrize("stores", ["zarr-zstd", "zarr-blosc", "hdf5-gzip"], indirect=True)
def test_a_packed_shard_is_not_mapped_and_read_only(stores):
    layer = stores.complete()[FEATURE]
    with pytest.raises(ValueError, match="read-only"):
        layer["utt000"][0, 0] = 1
    assert not layer._mapped


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(plan=plans(), data=st.data())
def test_shards_with_reordered_chunks_are_read_by_the_library(plan, data):
    with tempfile.TemporaryDirectory() as folder:
        store, written = _write(plan, Path(folder) / "toy.zarr")
        layout, spec = store[FEATURE].layout, plan.features["layer-2"]
        file = Path(folder) / "toy.zarr" / store.backend.shard_key(FEATURE, 0, spec)
        first, after = layout.shard_rows(0)
        num_chunks = -(-(after - first) // layout.rows_per_chunk)
        order = data.draw(st.permutations(range(num_chunks)))
        _reorder(file, order, layout.rows_per_chunk * spec.row_bytes, layout)
        layer = open_store(store.path)[FEATURE]
        for name, expected in written.items():
            np.testing.assert_array_equal(layer[name], expected)
        assert (0 in layer._mapped) == (order == sorted(order))


def _reorder(file, order, chunk_bytes, layout):
    """Rewrite a shard with its chunks in another order, and an index that says so."""
    content = file.read_bytes()
    num_slots = layout.rows_per_shard // layout.rows_per_chunk
    index = np.frombuffer(content[-(16 * num_slots + 4) : -4], dtype="<u8").reshape(-1, 2).copy()
    chunks = [content[chunk * chunk_bytes :][:chunk_bytes] for chunk in order]
    for place, chunk in enumerate(order):
        index[chunk, 0] = place * chunk_bytes
    crc = int(google_crc32c.value(index.tobytes())).to_bytes(4, "little")
    file.write_bytes(b"".join([*chunks, index.tobytes(), crc]))


@pytest.fixture
def read(stores):
    """A layer whose first shard is mapped, where it can be."""
    layer = stores.complete()[FEATURE]
    layer["utt000"]
    return layer


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: os.truncate(file, 10)])
def test_a_shard_lost_while_it_is_read_is_an_error(read, shard_file, damage):
    damage(shard_file())
    with pytest.raises(CorruptStoreError, match="shard 0: expected"):
        read["utt000"]


def test_a_shard_that_was_put_back_is_read_anew(read, shard_file):
    expected = np.array(read["utt000"])
    held = read["utt000"]
    copy = shard_file().with_suffix(".copy")
    shutil.copy(shard_file(), copy)
    shard_file().unlink()
    copy.replace(shard_file())
    np.testing.assert_array_equal(read["utt000"], expected)
    np.testing.assert_array_equal(held, expected)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts the descriptors in /proc")
def test_descriptors_are_few_and_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "_most_maps", lambda: 4)
    before = _descriptors()
    maps = mapped.MappedShards()
    for shard in range(20):
        file = tmp_path / str(shard)
        np.full((3, 2), shard, dtype=np.float16).tofile(file)
        maps.keep(shard, mapped.map_shard(RawShard(file, 0), (3, 2), "float16"))
    assert sorted(maps) == [16, 17, 18, 19]
    assert (maps[17].rows == 17).all()
    assert _descriptors() - before <= 2 * 4
    maps.clear()
    assert _descriptors() <= before


def test_a_file_too_short_for_its_rows_leaves_no_descriptor(tmp_path):
    (tmp_path / "short").write_bytes(b"abc")
    with pytest.raises(ValueError, match="buffer is smaller"):
        mapped.map_shard(RawShard(tmp_path / "short", 0), (3, 2), "float16")


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def asked(monkeypatch):
    """Ranges of bytes that a disk is asked for in advance; of memory, what a test says."""
    ranges, answers = [], []

    def read_one(descriptor, buffers, offset, flags):
        if answers and answers.pop(0):
            raise BlockingIOError
        return 1

    def advise(descriptor, offset, size, advice):
        if advice == os.POSIX_FADV_WILLNEED:
            ranges.append((offset, size))

    monkeypatch.setattr(os, "preadv", read_one)
    monkeypatch.setattr(os, "posix_fadvise", advise)
    return ranges, answers


@pytest.mark.parametrize("stores", ["zarr", "hdf5"], indirect=True)
@pytest.mark.skipif(not mapped.READS_AHEAD, reason="the system cannot be asked")
def test_what_is_not_in_memory_is_asked_of_the_disk(stores, asked):
    ranges, is_cold = asked
    layer = stores.complete()[FEATURE]
    ids = [name for name in layer.ids if layer.lengths[name]][:4]
    wanted = np.concatenate([layer[name] for name in ids])
    offset = layer._mapped[0]._offset
    np.testing.assert_array_equal(layer.ragged(ids).rows, wanted)
    assert ranges == []
    is_cold[:] = [True, True, False, True, False]  # the first tells to look at all four
    np.testing.assert_array_equal(layer.ragged(ids).rows, wanted)
    positions = [layer._store.position(ids[place]) for place in (0, 2)]
    starts, lengths = layer.layout.row_starts, layer.layout.row_lengths
    assert ranges == [(offset + 16 * starts[p], 16 * lengths[p]) for p in positions]


@pytest.mark.skipif(not mapped.READS_AHEAD, reason="the system cannot be asked")
def test_a_file_system_that_does_not_say_is_not_asked(stores, asked, monkeypatch):
    ranges, _ = asked
    layer = stores.complete()[FEATURE]
    wanted = np.concatenate([layer[name] for name in layer.ids])

    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "preadv", refuse)
    np.testing.assert_array_equal(layer.ragged(layer.ids).rows, wanted)
    assert ranges == []


@pytest.mark.skipif(not mapped.READS_AHEAD, reason="the system cannot be asked")
def test_rows_come_from_a_disk_that_was_never_read(stores, shard_file):
    layer = stores.complete()[FEATURE]
    wanted = layer.ragged(layer.ids).rows
    descriptor = os.open(shard_file(), os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    found = open_store(stores.path)[FEATURE].ragged(layer.ids).rows
    np.testing.assert_array_equal(found, wanted)
