"""Prefetch: bounded, in order, from one shard to the next."""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from tokser.extraction import prefetch as module
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import FeatureSpecs
from tokser.extraction.load_batches import Utterances
from tokser.extraction.pending_group import PendingGroup
from tokser.extraction.prefetch import prefetch
from tokser.extraction.progress import ExtractionProgress, ProgressReporter
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


def pending(extractor, claims, of=utterances_of, shards=()):
    """A group whose shards begin where `shards` says."""
    layout = SimpleNamespace(utterances=lambda shard: np.array([shards[shard]]))
    group = SimpleNamespace(layout=layout)
    progress = ExtractionProgress(99, NUM_SHARDS, "text")
    reporter = ProgressReporter("reader", progress, every_s=np.inf)
    return PendingGroup(extractor, group, claims, of, reporter)


def prefetch_all(extractor, claims):
    return prefetch([pending(extractor, claims)])


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
    group = pending(extractor, Claims(lacking, free, lacking.get))
    found = [(builder.shard, loaded is None) for builder, loaded in prefetch([group])]
    assert (group.reporter.progress.shards_done, group.reporter.progress.done) == (1, NUM_BATCHES)
    assert found == [(1, True)] + [(2, False)] * NUM_BATCHES


def test_the_group_least_far_in_the_corpus_comes_next(extractor):
    large = pending(extractor, Claims(range(2), free, lambda shard: ["layer-2"]), shards=[0, 50])
    small = pending(
        extractor, Claims(range(4), free, lambda shard: ["layer-2"]), shards=[0, 20, 40, 60]
    )
    order = [
        ("large" if builder.of is large else "small", builder.shard)
        for builder, _ in prefetch([large, small])
    ][::NUM_BATCHES]
    assert order == [
        ("large", 0),
        ("small", 0),
        ("small", 1),
        ("small", 2),
        ("large", 1),
        ("small", 3),
    ]


def test_a_group_whose_shards_are_taken_delays_no_other(extractor, monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.001)
    theirs = {0}

    @contextmanager
    def lock(shard):
        yield shard not in theirs

    first = pending(extractor, Claims([0], lock, lambda shard: ["layer-2"]), shards=[0])
    second = pending(extractor, Claims([0], free, lambda shard: ["layer-2"]), shards=[0])
    found = []
    for builder, _ in prefetch([first, second]):
        found.append(builder.of is second)
        if len(found) == NUM_BATCHES:
            theirs.clear()
    assert found == [True] * NUM_BATCHES + [False] * NUM_BATCHES


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
