"""What runs behind the encoder: bounded, in order, errors told to who hands over."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from tokser.extraction.batches import Loaded, Part
from tokser.extraction.commit import Drain
from tokser.extraction.feature_specs import Filling, Recipe
from tokser.extraction.progress import Meter, Pace


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


class Here:
    """Rows that have arrived."""

    num_bytes = 400 * 2**20

    def rows(self):
        return [{2: np.ones((3, 4), dtype=np.float16)}]

    def exact(self, utterance, layer):
        return np.ones((3, 4), dtype=np.float32)


class Claims:
    def __init__(self):
        self.gone = []

    def release(self, shard):
        self.gone.append(shard)


RECIPE = Recipe(SimpleNamespace(kind="text", name="reader"), {"layer-2": 2}, "float16", 120.0)


def filling(shard):
    part = Part(ids=["a"], num_samples=[0], reasons={}, token_ids=[np.zeros(3, np.int32)])
    return Filling(shard, ["layer-2"], part, RECIPE, num_passes_left=1)


@pytest.fixture
def drain():
    pieces = Group(), Claims(), Meter("reader", Pace(9, 9), every_s=np.inf)
    return SimpleNamespace(drain=Drain(*pieces), group=pieces[0], claims=pieces[1], meter=pieces[2])


def test_full_shards_are_committed_and_let_go_in_order(drain):
    with drain.drain as it:
        for shard in range(5):
            it.put(filling(shard), Loaded(places=[0]), Here())
        it.finish()
    assert drain.group.committed == [(shard, {"layer-2": 1}) for shard in range(5)]
    assert drain.claims.gone == list(range(5))
    assert (drain.meter.pace.encoded, drain.meter.pace.num_bytes) == (5, 50)


def test_a_slow_disk_holds_up_who_hands_over(drain):
    drain.group.may_commit.clear()
    put = []

    def hand_over():
        with drain.drain as it:
            for shard in range(8):
                it.put(filling(shard), Loaded(places=[0]), Here())
                put.append(shard)
            it.finish()

    thread = threading.Thread(target=hand_over)
    thread.start()
    time.sleep(0.3)
    # One is being written, one waits for that, and two wait to be fetched.
    assert len(put) <= 4
    drain.group.may_commit.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(drain.group.committed) == 8


def test_an_error_behind_is_raised_at_the_next_hand_over(drain):
    drain.group.commit = lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space left"), drain.drain as it:
        for shard in range(50):
            it.put(filling(shard), Loaded(places=[0]), Here())
        it.finish()
    assert drain.claims.gone == []
    assert not [t for t in threading.enumerate() if t.name.startswith(("fetch", "commit"))]


def test_stopped_it_commits_what_is_full_and_drops_the_rest(drain):
    half = filling(7)
    half.num_passes_left = 2
    with pytest.raises(KeyboardInterrupt), drain.drain as it:
        it.put(filling(3), Loaded(places=[0]), Here())
        it.put(half, Loaded(places=[0]), Here())
        while drain.group.committed == []:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert [shard for shard, _ in drain.group.committed] == [3]
