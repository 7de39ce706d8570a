"""Commit: bounded, in order, errors raised in the encoder's thread."""

import threading
import time
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from tokser.extraction.commit import Committer
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import FeatureSpecs
from tokser.extraction.load_batches import LoadedBatch, Utterances
from tokser.extraction.pending_group import PendingGroup
from tokser.extraction.progress import ExtractionProgress, ProgressReporter
from tokser.extraction.shard_builder import ShardBuilder


class Group:
    """Remembers what is committed; a commit waits until it is let through."""

    address = "a.zarr, reader"

    def __init__(self):
        self.committed, self.may_commit = [], threading.Event()
        self.may_commit.set()

    def commit(self, shard, rows, quarantined, recordings):
        assert self.may_commit.wait(10)
        self.committed.append((shard, {name: len(blocks) for name, blocks in rows.items()}))
        return {name: SimpleNamespace(num_bytes=10) for name in rows}


class Output:
    """The output of a batch of one utterance."""

    num_bytes = 400 * 2**20

    def fetch(self):
        return [{2: np.ones((3, 4), dtype=np.float16)}]

    def before_cast(self, utterance, layer):
        return np.ones((3, 4), dtype=np.float32)


class Claims:
    def __init__(self):
        self.released = []

    def release(self, shard):
        self.released.append(shard)


EXTRACTOR = Extractor(
    SimpleNamespace(kind="text", name="reader"), FeatureSpecs({"layer-2": 2}, "float16"), 120.0
)


class Parts(NamedTuple):
    """A committer, and what it works on."""

    committer: Committer
    of: PendingGroup

    def builder(self, shard, num_batches=1):
        utterances = Utterances(["a"], [0], {}, token_ids=[np.zeros(3, np.int32)])
        return ShardBuilder(shard, ["layer-2"], utterances, self.of, num_batches)

    def submit(self, builder):
        self.committer.submit(builder, LoadedBatch(places=[0]), Output())


@pytest.fixture
def parts():
    reporter = ProgressReporter("reader", ExtractionProgress(9, 9), every_s=np.inf)
    return Parts(Committer(), PendingGroup(EXTRACTOR, Group(), Claims(), None, reporter))


def test_full_shards_are_committed_and_released_in_order(parts):
    with parts.committer as it:
        for shard in range(5):
            parts.submit(parts.builder(shard))
        it.finish()
    assert parts.of.group.committed == [(shard, {"layer-2": 1}) for shard in range(5)]
    assert parts.of.claims.released == list(range(5))
    assert (parts.of.reporter.progress.encoded, parts.of.reporter.progress.num_bytes) == (5, 50)


def test_a_slow_disk_holds_up_the_encoder(parts):
    parts.of.group.may_commit.clear()
    submitted = []

    def encode():
        with parts.committer as it:
            for shard in range(8):
                parts.submit(parts.builder(shard))
                submitted.append(shard)
            it.finish()

    thread = threading.Thread(target=encode)
    thread.start()
    time.sleep(0.3)
    # One is being written, one waits for that, and two wait to be fetched.
    assert len(submitted) <= 4
    parts.of.group.may_commit.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(parts.of.group.committed) == 8


def test_an_error_in_a_thread_is_raised_at_the_next_submit(parts):
    fails = OSError(28, "No space left on device")
    parts.of.group.commit = lambda *_: (_ for _ in ()).throw(fails)
    with pytest.raises(OSError, match="No space left"), parts.committer as it:
        for shard in range(50):
            parts.submit(parts.builder(shard))
        it.finish()
    assert parts.of.claims.released == []
    assert not [t for t in threading.enumerate() if t.name.startswith(("fetch", "commit"))]


def test_after_a_stop_only_full_shards_are_committed(parts):
    half = parts.builder(7, num_batches=2)
    with pytest.raises(KeyboardInterrupt), parts.committer:
        parts.submit(parts.builder(3))
        parts.submit(half)
        while parts.of.group.committed == []:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert [shard for shard, _ in parts.of.group.committed] == [3]
