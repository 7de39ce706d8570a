"""Claims on shards, several held at once."""

import threading
from contextlib import contextmanager

import pytest

from tokser.store import claims as module
from tokser.store.claims import Claim, Claims


class Others:
    """Locks of which some belong to others; remembers what is held here."""

    def __init__(self, theirs=()):
        self.theirs, self.ours = set(theirs), []

    @contextmanager
    def lock(self, shard):
        if shard in self.theirs:
            yield False
            return
        self.ours.append(shard)
        try:
            yield True
        finally:
            self.ours.remove(shard)

    def claims(self, shards):
        return Claims(shards, self.lock, lambda shard: [f"layer-{shard}"])


def test_several_are_held_until_each_is_release():
    others = Others()
    with others.claims(range(3)) as claims:
        assert [claims.take() for _ in range(3)] == [Claim(i, [f"layer-{i}"]) for i in range(3)]
        assert claims.take() is None
        assert claims.num_waiting == 0
        assert others.ours == [0, 1, 2]
        claims.release(1)
        assert others.ours == [0, 2]
    assert others.ours == []


def test_what_others_hold_comes_last_and_is_not_waited_for():
    others = Others(theirs={0, 1})
    with others.claims(range(4)) as claims:
        assert [claims.take().shard for _ in range(2)] == [2, 3]
        assert claims.take() is None
        assert claims.num_waiting == 2
        others.theirs.clear()
        assert {claims.take().shard for _ in range(2)} == {0, 1}


def test_one_by_one_waits_for_others(monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.001)
    others = Others(theirs={0})
    seen = []
    for claim in others.claims(range(3)).one_by_one():
        seen.append(claim.shard)
        assert others.ours == [claim.shard]
        if len(seen) == 2:
            threading.Timer(0.01, others.theirs.clear).start()
    assert sorted(seen) == [0, 1, 2]
    assert seen[-1] == 0
    assert others.ours == []


def test_an_error_while_looking_at_a_shard_lets_go_of_it():
    others = Others()

    def damaged(shard):
        raise ValueError("the journal is damaged")

    with Claims([0], others.lock, damaged) as claims:
        with pytest.raises(ValueError, match="damaged"):
            claims.take()
        assert others.ours == []


def test_a_thread_may_release_of_what_another_took(stores):
    table = stores.manifest()
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        one, two = writer.plan_group(plan), writer.plan_group(plan)
        with one.claim([0]) as ours, two.claim([0]) as theirs:
            assert ours.take().shard == 0
            assert theirs.take() is None
            thread = threading.Thread(target=ours.release, args=(0,))
            thread.start()
            thread.join()
            assert theirs.take().shard == 0
