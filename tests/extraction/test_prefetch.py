"""Prefetch: bounded, in order, from one shard to the next."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest

from tokser.extraction import prefetch as module
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import FeatureSpecs
from tokser.extraction.load_batches import Utterances
from tokser.extraction.prefetch import prefetch
from tokser.store import Claims

NUM_SHARDS, NUM_BATCHES = 5, 3


class Reader:
    """A text encoder that only counts what is prepared, in batches of one transcript."""

    kind, name, num_layers = "text", "reader", 2

    def __init__(self):
        self.prepared = 0
        self._lock = threading.Lock()

    def prepare(self, inputs):
        with self._lock:
            self.prepared += 1
        return [int(one[0]) for one in inputs]


@contextmanager
def free(shard):
    yield True


def utterances_of(shard):
    ids = [f"{shard}-{i}" for i in range(NUM_BATCHES)]
    tokens = [np.array([10 * shard + i], dtype=np.int32) for i in range(NUM_BATCHES)]
    return Utterances(ids, [0] * NUM_BATCHES, {}, token_ids=tokens)


@pytest.fixture
def extractor(monkeypatch):
    monkeypatch.setattr("tokser.extraction.load_batches.SEQUENCES_PER_BATCH", 1)
    return Extractor(Reader(), FeatureSpecs({"layer-2": 2}, "float16"), 120.0)


def prefetch_all(extractor, claims, elsewhere=lambda shard: None):
    return prefetch(extractor, claims, utterances_of, elsewhere)


def test_batches_come_in_order_shard_by_shard(extractor):
    claims = Claims(range(NUM_SHARDS), free, lambda shard: ["layer-2"])
    found = [
        (builder.shard, *loaded.prepared)
        for builder, loaded in prefetch_all(extractor, claims)
        if builder.num_batches_left == NUM_BATCHES
    ]
    wanted = [(s, 10 * s + i) for s in range(NUM_SHARDS) for i in range(NUM_BATCHES)]
    assert found == wanted


def test_few_batches_are_read_ahead_and_shards_claimed_late(extractor):
    claims = Claims(range(NUM_SHARDS), free, lambda shard: ["layer-2"])
    batches = prefetch_all(extractor, claims)
    for taken in range(1, 5):
        next(batches)
        most = taken + 2 * module.MAX_THREADS + 1
        assert extractor.encoder.prepared <= min(most, NUM_SHARDS * NUM_BATCHES)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]


def test_one_thread_reads_three_batches_ahead(extractor, monkeypatch):
    monkeypatch.setattr(module, "MAX_THREADS", 1)
    claims = Claims(range(NUM_SHARDS), free, lambda shard: ["layer-2"])
    batches = prefetch_all(extractor, claims)
    next(batches)
    assert claims.num_waiting == NUM_SHARDS - 1
    batches.close()


def test_shards_done_elsewhere_and_shards_without_batches(extractor):
    lacking = {0: [], 1: ["token_ids"], 2: ["layer-2"]}
    elsewhere = []
    claims = Claims(lacking, free, lacking.get)
    found = [
        (f.shard, loaded is None) for f, loaded in prefetch_all(extractor, claims, elsewhere.append)
    ]
    assert elsewhere == [0]
    assert found == [(1, True)] + [(2, False)] * NUM_BATCHES


def test_a_shard_of_another_process_does_not_delay_ours(extractor, monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.001)
    theirs = {0}

    @contextmanager
    def lock(shard):
        yield shard not in theirs

    claims = Claims(range(2), lock, lambda shard: ["layer-2"])
    shards = []
    for builder, _ in prefetch_all(extractor, claims):
        shards.append(builder.shard)
        if len(shards) == NUM_BATCHES:
            theirs.clear()  # only once all of ours came, as if the other waited for us
    assert shards == [1] * NUM_BATCHES + [0] * NUM_BATCHES


def test_a_read_error_is_raised_in_place_of_its_batch(extractor, monkeypatch):
    def fail(inputs):
        raise MemoryError("no room")

    monkeypatch.setattr(extractor.encoder, "prepare", fail)
    claims = Claims(range(2), free, lambda shard: ["layer-2"])
    with pytest.raises(MemoryError, match="no room"):
        list(prefetch_all(extractor, claims))
    assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]
