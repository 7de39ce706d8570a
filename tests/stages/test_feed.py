"""What runs ahead of the encoder: bounded, in order, over the bounds of shards."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest

from tokser.extraction import prefetch as module
from tokser.extraction.batches import Part
from tokser.extraction.feature_specs import Recipe
from tokser.extraction.prefetch import feed
from tokser.store import Claims

NUM_SHARDS, PASSES = 5, 3


class Reader:
    """A text encoder that only counts what is prepared, in passes of one transcript."""

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


def part_of(shard):
    ids = [f"{shard}-{i}" for i in range(PASSES)]
    tokens = [np.array([10 * shard + i], dtype=np.int32) for i in range(PASSES)]
    return Part(ids=ids, num_samples=[0] * PASSES, reasons={}, token_ids=tokens)


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.setattr("tokser.extraction.batches.SEQUENCES_PER_PASS", 1)
    return Recipe(Reader(), {"layer-2": 2}, "float16", 120.0)


def feed_all(recipe, claims, elsewhere=lambda shard: None):
    return feed(recipe, claims, part_of, elsewhere)


def test_passes_come_in_order_one_shard_after_the_other(recipe):
    claims = Claims(range(NUM_SHARDS), free, lambda shard: ["layer-2"])
    found = [
        (filling.shard, *loaded.prepared)
        for filling, loaded in feed_all(recipe, claims)
        if filling.num_passes_left == PASSES
    ]
    wanted = [(s, 10 * s + i) for s in range(NUM_SHARDS) for i in range(PASSES)]
    assert found == wanted


def test_only_a_few_passes_are_read_ahead_and_shards_claimed_as_late(recipe):
    claims = Claims(range(NUM_SHARDS), free, lambda shard: ["layer-2"])
    passes = feed_all(recipe, claims)
    for taken in range(1, 5):
        next(passes)
        most = taken + 2 * module.MOST_THREADS + 1
        assert recipe.encoder.prepared <= min(most, NUM_SHARDS * PASSES)
    passes.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("feed")]


def test_with_one_thread_three_passes_are_held(recipe, monkeypatch):
    monkeypatch.setattr(module, "MOST_THREADS", 1)
    claims = Claims(range(NUM_SHARDS), free, lambda shard: ["layer-2"])
    passes = feed_all(recipe, claims)
    next(passes)
    assert claims.num_waiting == NUM_SHARDS - 1
    passes.close()


def test_what_others_have_done_is_told_and_a_shard_without_passes_is_yielded(recipe):
    lacking = {0: [], 1: ["token_ids"], 2: ["layer-2"]}
    told = []
    claims = Claims(lacking, free, lacking.get)
    found = [(f.shard, loaded is None) for f, loaded in feed_all(recipe, claims, told.append)]
    assert told == [0]
    assert found == [(1, True)] + [(2, False)] * PASSES


def test_what_is_ready_is_not_held_back_by_a_shard_of_others(recipe, monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.001)
    theirs = {0}

    @contextmanager
    def lock(shard):
        yield shard not in theirs

    claims = Claims(range(2), lock, lambda shard: ["layer-2"])
    shards = []
    for filling, _ in feed_all(recipe, claims):
        shards.append(filling.shard)
        if len(shards) == PASSES:
            theirs.clear()  # only once all of ours came, as if the other waited for us
    assert shards == [1] * PASSES + [0] * PASSES


def test_an_error_while_reading_is_raised_where_it_would_have_been_yielded(recipe, monkeypatch):
    def fail(inputs):
        raise MemoryError("no room")

    monkeypatch.setattr(recipe.encoder, "prepare", fail)
    claims = Claims(range(2), free, lambda shard: ["layer-2"])
    with pytest.raises(MemoryError, match="no room"):
        list(feed_all(recipe, claims))
    assert not [t for t in threading.enumerate() if t.name.startswith("feed")]
