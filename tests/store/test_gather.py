"""Batches against a plain loop over utterances."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokser.errors import QuarantinedError, SettingsError
from tokser.store import Buffers, open_store
from tokser.store import gather as gather_module
from tokser.store.gather import gather_padded, gather_ragged

FEATURE = "whisper-tiny/layer-2"


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(places=st.lists(st.integers(0, 11), max_size=8))
def test_batches_are_what_a_loop_gives(stores, places):
    layer = open_store(stores.path)[FEATURE] if stores.path.exists() else stores.complete()[FEATURE]
    ids = [f"utt{place:03d}" for place in places]
    rows = [np.array(layer[name]) for name in ids]
    lengths = [len(found) for found in rows]
    ragged, padded = layer.ragged(ids), layer.batch(ids)
    assert ragged.lengths.tolist() == padded.lengths.tolist() == lengths
    np.testing.assert_array_equal(ragged.rows, np.concatenate([np.empty((0, 8)), *rows]))
    assert padded.rows.shape == (len(ids), max(lengths, default=0), 8)
    for place, found in enumerate(rows):
        np.testing.assert_array_equal(padded.rows[place, : len(found)], found)
        assert not padded.rows[place, len(found) :].any()
    assert ragged.rows.dtype == padded.rows.dtype == np.float16
    for own, found in zip(rows, layer.each(ids), strict=True):
        np.testing.assert_array_equal(own, found)


def test_batches_belong_to_the_caller(stores):
    layer = stores.complete()[FEATURE]
    before = np.array(layer["utt000"])
    for rows in (layer.ragged(["utt000"]).rows, layer.batch(["utt000"]).rows):
        rows[...] = 0
    np.testing.assert_array_equal(layer["utt000"], before)


@pytest.mark.parametrize("gather", ["batch", "ragged"])
def test_an_utterance_in_quarantine_or_unknown_is_named(stores, gather):
    table = stores.manifest()
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        for shard in group.pending():
            span = range(*group.layout.shard_utterances(shard))
            rows = [None if i == 3 else stores.rows(plan, "layer-2", i) for i in span]
            group.commit(shard, {"layer-2": rows}, {"utt003": "cut short"} if 3 in span else {})
    layer = open_store(stores.path)[FEATURE]
    with pytest.raises(QuarantinedError, match=r"utt003: expected.*cut short"):
        getattr(layer, gather)(["utt000", "utt003"])
    with pytest.raises(SettingsError, match="'nobody'"):
        getattr(layer, gather)(["utt000", "nobody"])


@pytest.mark.parametrize("gather", [gather_padded, gather_ragged])
@pytest.mark.parametrize("part_bytes", [1, 64, 2**20])
def test_parts_are_requested_one_after_the_other(gather, part_bytes, monkeypatch):
    monkeypatch.setattr(gather_module, "_PART_BYTES", part_bytes)
    lengths = np.array([0, 3, 0, 7, 1, *[5] * 9])
    rows = [np.full((length, 2), place, np.float32) for place, length in enumerate(lengths)]
    requested, read = [], []

    def reader_of(positions):
        requested.append(list(positions))
        assert not read or read[-1] == requested[-2][-1]

        def one(position):
            read.append(position)
            return rows[position]

        return one

    found = gather(reader_of, list(range(len(rows))), lengths, np.empty((0, 2), np.float32))
    assert [one for part in requested for one in part] == read == list(range(len(rows)))
    assert (len(requested) == 1) == (part_bytes == 2**20)
    kept = found.rows.reshape(-1, 2)
    np.testing.assert_array_equal(kept[kept[:, 0] > 0], np.concatenate(rows))


@pytest.mark.parametrize("gather", ["batch", "ragged"])
def test_batches_are_the_same_in_memory_that_is_reused(stores, gather):
    layer, buffers = stores.complete()[FEATURE], Buffers()
    wanted = [getattr(layer, gather)([name]).rows for name in layer.ids]
    for name, rows in zip(layer.ids, wanted, strict=True):
        buffers.take((300, 8), layer.dtype)[...] = 7  # what was there before
        found = getattr(layer, gather)([name, layer.ids[0]], buffers.take).rows
        plain = getattr(layer, gather)([name, layer.ids[0]]).rows
        np.testing.assert_array_equal(found, plain)
        assert len(rows.reshape(-1, 8)) == layer.lengths[name]


def test_an_error_of_one_read_is_not_lost():
    def read(position):
        raise KeyError(position)

    with pytest.raises(KeyError):
        gather_ragged(lambda _: read, [0, 1], np.array([1, 1]), np.empty((0, 2)))
