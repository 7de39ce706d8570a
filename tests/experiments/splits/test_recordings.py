import numpy as np
import pytest

from tokser.config import AuditSettings, PoolSettings
from tokser.experiments.splits.recordings import compare_content, recordings
from tokser.stages.audit import audit
from tokser.stages.pool import pool
from tokser.store import open_store
from tokser.store.journal import Recording

SETTINGS = {"protocols": ("speaker",)}


@pytest.fixture
def make(stores):
    def _make(dims, *, near=(1, 10), kind="speech", pooled=True):
        """A store of random rows in which one recording is nearly another."""
        table = stores.manifest(60)
        plan = stores.plan(table, features=dims, kind=kind, dtype="float32")
        with stores.writer(table) as writer:
            group = writer.plan_group(plan)
            for shard, features in group.pending().items():
                span = range(*group.layout.shard_utterances(shard))
                rows = {f: [block(stores, plan, f, i, near) for i in span] for f in features}
                digests = [Recording(f"{i:016x}", 0) for i in span]
                group.commit(shard, rows, {}, recordings=digests)
        if pooled:
            pool(PoolSettings(store=str(stores.path)))
        return open_store(stores.path)

    return _make


def block(stores, plan, feature, position, near):
    rng = np.random.default_rng([near[1] if position == near[0] else position, 5])
    dim = plan.features[feature].dim
    centre, width = rng.normal(0, 1, dim), 0.2 * np.exp(rng.normal(0, 1, dim))
    return (centre + width * stores.rows(plan, feature, position)).astype(np.float32)


def test_near_duplicates_are_found_named_and_stamped(make):
    store = make({"layer-2": 128, "layer-1": 20})
    found = audit(AuditSettings(store=store.path, **SETTINGS))["speaker"]
    assert found.leaks[-1] == "near-duplicates"
    assert found.shared["near-duplicates"] == 1
    assert found.shared["recordings"] == 0
    assert found.stamp == "LEAKS RECORDINGS"
    (pair,) = found.near_duplicates
    assert (pair.first, pair.second) == ("utt001", "utt010")
    told = found.to_json()
    assert told["content"]["feature"] == "whisper-tiny/layer-2"
    assert told["content"]["pairs"] == [["utt001", "utt010", pair.cosine]]
    assert told["content"]["threshold"] >= 0.8 > told["content"]["nearest_below"]


def test_one_within_the_same_part_is_no_leak_but_is_told(make):
    store = make({"layer-2": 128}, near=(1, 5))
    found = audit(AuditSettings(store=store.path, **SETTINGS))["speaker"]
    assert "near-duplicates" not in found.leaks
    assert found.content["num_pairs"] == 1


def test_another_threshold_finds_more_or_less(make):
    store = make({"layer-2": 128})
    for threshold, number in ((1.0, 0), (0.05, None)):
        settings = AuditSettings(store=store.path, duplicate_threshold=threshold, **SETTINGS)
        content = audit(settings)["speaker"].content
        assert content.get("threshold", threshold) == threshold
        if number is not None:
            assert content["num_pairs"] == number
        else:
            assert content.get("num_pairs", 99) > 1


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"dims": {"layer-2": 128}, "pooled": False}, "tokser pool --store"),
        ({"dims": {"layer-2": 128}, "kind": "text"}, "tokser pool --store"),
        ({"dims": {"layer-2": 4}}, "tells recordings apart"),
    ],
)
def test_where_content_cannot_be_compared_it_is_said(make, kwargs, reason):
    store = make(**kwargs)
    found = audit(AuditSettings(store=store.path, **SETTINGS))["speaker"]
    assert reason in " ".join(found.remarks)
    assert "near-duplicates" not in found.leaks


def test_the_same_checksum_is_no_near_duplicate(make):
    store = make({"layer-2": 128})
    assert len(compare_content(store).duplicates.cosines) == 1
    same = dict.fromkeys(("utt001", "utt010"), "one file")
    assert len(compare_content(store, checksums=same).duplicates.cosines) == 0
    assert recordings(store)["utt001"] == f"{1:016x}"
