"""Features at a URL: few requests, the same rows and the same errors as of a local store."""

import random

import numpy as np
import pytest

from tests.store.test_mapped import _reorder
from tokser.errors import CorruptStoreError, StoreMismatchError
from tokser.store import byte_runs, open_store, remote_layer, remove_from_store
from tokser.store.remote_objects import RemoteObjects
from tokser.store.zarr_backend import ZarrBackend

pytestmark = pytest.mark.slow

FEATURE = "whisper-tiny/layer-2"


@pytest.fixture
def requests(monkeypatch):
    """Keys and ranges of the requests for bytes, as they are made; nothing else reads rows."""
    made, plain = [], RemoteObjects._piece

    def piece(objects, key, first, after):
        made.append((key, first, after))
        return plain(objects, key, first, after)

    def read_rows(backend, *_):
        raise AssertionError("rows were read by the library")

    monkeypatch.setattr(RemoteObjects, "_piece", piece)
    monkeypatch.setattr(ZarrBackend, "read_rows", read_rows)
    return made


@pytest.fixture
def stored(remote_stores):
    """A store in four shards, its rows as they were written, and the number of shards."""
    table = remote_stores.manifest(24)
    plan = remote_stores.plan(table, shard_bytes=2_000)
    remote_stores.complete(table, plan)
    rows = [remote_stores.rows(plan, "layer-2", position) for position in range(24)]
    store = open_store(remote_stores.path, check=True)
    return store[FEATURE], dict(zip(store.ids, rows, strict=True))


def test_a_batch_takes_a_request_for_each_shard(stored, requests):
    layer, rows = stored
    ids = random.Random(0).sample(layer.ids, 20)
    shards = {layer.layout.shard_of[layer._store.position(name)] for name in ids}
    assert len(shards) > 1
    for turn in (1, 2):
        found = layer.ragged(ids).rows
        np.testing.assert_array_equal(found, np.concatenate([rows[name] for name in ids]))
        # For the first time, the end of each shard, which says where its rows lie.
        assert len(requests) == len(shards) * (turn + 1)


@pytest.mark.parametrize("limit", ["GAP_BYTES", "RUN_BYTES"])
def test_limits_change_requests_and_no_row(stored, requests, monkeypatch, limit):
    layer, rows = stored
    ids = layer.ids[::3]
    layer.batch(ids)
    before = len(requests)
    join = byte_runs.join_ranges
    options = {"gap": -1} if limit == "GAP_BYTES" else {"most": 1}
    monkeypatch.setattr(remote_layer, "join_ranges", lambda spans: join(spans, **options))
    for name, found in zip(ids, layer.batch(ids).rows, strict=True):
        np.testing.assert_array_equal(found[: len(rows[name])], rows[name])
        assert not found[len(rows[name]) :].any()
    assert len(requests) - before == sum(len(rows[name]) > 0 for name in ids)


def test_one_utterance_takes_one_request(stored, requests):
    layer, rows = stored
    for name in layer.ids[:3]:
        np.testing.assert_array_equal(layer[name], rows[name])
        assert not layer[name].flags.writeable
    assert len(requests) == 1 + 6  # the end of the first shard, too


def test_a_shard_in_another_order_is_read_by_the_library(remote_stores, tmp_path):
    table = remote_stores.manifest(3)
    plan = remote_stores.plan(table, features={"layer-2": 512}, lengths=[1_000, 1_000, 3_000])
    store = remote_stores.complete(table, plan)
    layer, objects = store[FEATURE], store.backend.objects
    key = store.backend.shard_key(FEATURE, 0, layer.spec)
    file = tmp_path / "shard"
    file.write_bytes(objects.get(key))
    first, after = layer.layout.shard_rows(0)
    num_chunks = -(-(after - first) // layer.layout.rows_per_chunk)
    chunk_bytes = layer.layout.rows_per_chunk * layer.spec.row_bytes
    _reorder(file, list(range(num_chunks))[::-1], chunk_bytes, layer.layout)
    objects.put(key, [file.read_bytes()])
    layer = open_store(store.path, check=True)[FEATURE]
    found = layer.ragged(layer.ids).rows
    wanted = [remote_stores.rows(plan, "layer-2", position) for position in range(3)]
    np.testing.assert_array_equal(found, np.concatenate(wanted))


@pytest.mark.parametrize("left", [None, 0, 10, 300])
@pytest.mark.parametrize("is_known", [True, False])
def test_an_object_that_became_shorter_is_an_error(stored, left, is_known):
    layer, _ = stored
    if is_known:
        layer.ragged(layer.ids)
    objects = layer.backend.objects
    key = layer.backend.shard_key(FEATURE, 0, layer.spec)
    content = objects.get(key)
    objects.delete(key)
    if left is not None:
        objects.put(key, [content[:left]])
    with pytest.raises(CorruptStoreError, match=r"shard 0: expected \d+ bytes"):
        layer.ragged(layer.ids)


def test_a_changed_byte_is_found_in_a_batch(stored):
    layer, _ = stored
    objects, key = layer.backend.objects, layer.backend.shard_key(FEATURE, 0, layer.spec)
    content = bytearray(objects.get(key))
    content[5] ^= 8
    objects.put(key, [bytes(content)])
    with pytest.raises(CorruptStoreError, match="utt000: expected rows with checksum"):
        layer.batch(layer.ids)


def test_utterances_removed_meanwhile_are_no_zeros(stored):
    layer, _ = stored
    layer.ragged(layer.ids)
    remove_from_store(layer.store_path, ids=layer.ids[:1])
    with pytest.raises(StoreMismatchError, match="as it was when it was opened"):
        layer.ragged(layer.ids)
