import itertools

import numpy as np
import pytest
from filelock import FileLock

from tokser.errors import RunError, SettingsError, StoreLockedError, StoreMismatchError
from tokser.store import open_store


def test_what_is_committed_is_read_back_whatever_the_order(stores):
    table = stores.manifest(30)
    plan = stores.plan(table, features={"layer-0": 4, "layer-2": 16}, shard_bytes=1_500)
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        assert group.layout.num_shards > 5
        for shard in (4, 0):
            stores.fill(group, plan, only_shards={shard})
        stores.fill(group, plan)
        assert group.pending() == {}
    store = open_store(stores.path)
    for feature in plan.features:
        layer = store[f"whisper-tiny/{feature}"]
        assert layer.is_complete
        for position, utterance in enumerate(table.index):
            np.testing.assert_array_equal(layer[utterance], stores.rows(plan, feature, position))


def test_an_interrupted_run_goes_on_with_the_missing_shards(stores):
    table = stores.manifest(20)
    plan = stores.plan(table, shard_bytes=1_000)
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan, only_shards={1, 2})
    with stores.writer(table) as writer:
        pending = writer.plan_group(plan).pending()
    assert 1 not in pending
    assert 2 not in pending
    assert 0 in pending


def test_a_layer_added_later_shares_the_rows(stores):
    table = stores.manifest()
    first = stores.plan(table, features={"layer-2": 8})
    stores.complete(table, first)
    both = stores.plan(table, features={"layer-2": 8, "layer-1": 8})
    with stores.writer(table) as writer:
        group = writer.plan_group(both)
        assert all(features == ["layer-1"] for features in group.pending().values())
        stores.fill(group, both)
    store = open_store(stores.path)
    assert store.features == ["whisper-tiny/layer-2", "whisper-tiny/layer-1"]


def test_another_model_is_refused_naming_both(stores):
    table = stores.manifest()
    stores.complete(table, stores.plan(table, weights_sha256="aaa"))
    with (
        stores.writer(table) as writer,
        pytest.raises(StoreMismatchError, match=r"weights_sha256 aaa.*got weights_sha256 bbb"),
    ):
        writer.plan_group(stores.plan(table, weights_sha256="bbb"))


def test_another_corpus_is_refused_naming_both(stores):
    stores.complete()
    with (
        pytest.raises(StoreMismatchError, match=r"expected dataset emodb .*got iemocap"),
        stores.writer(stores.manifest(), dataset="iemocap"),
    ):
        pass
    with (
        pytest.raises(StoreMismatchError, match="manifest_digest"),
        stores.writer(stores.manifest(9)),
    ):
        pass


def test_a_folder_that_holds_something_else_is_left_alone(stores):
    folder = stores.path
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    with (
        pytest.raises(StoreMismatchError, match="holds something else"),
        stores.writer(stores.manifest()),
    ):
        pass
    assert (folder / "thesis.tex").read_text() == "precious"


def test_two_writers_share_the_shards(stores):
    table = stores.manifest(20)
    plan = stores.plan(table, shard_bytes=1_000)
    with stores.writer(table) as one, stores.writer(table) as other:
        first, second = one.plan_group(plan), other.plan_group(plan)
        mine = first.claims()
        claim = next(mine)
        theirs = [taken.shard for taken in itertools.islice(second.claims(), 3)]
        assert claim.shard not in theirs
        stores.fill(first, plan, only_shards={claim.shard})
        mine.close()
        for claim in second.claims():
            stores.fill(second, plan, only_shards={claim.shard})
    assert open_store(stores.path)["whisper-tiny/layer-2"].is_complete
    assert not list(stores.folder.glob("*.lock.*"))


def test_what_another_writer_committed_is_not_done_again(stores):
    table = stores.manifest(20)
    plan = stores.plan(table, shard_bytes=1_000)
    with stores.writer(table) as one, stores.writer(table) as other:
        first, second = one.plan_group(plan), other.plan_group(plan)
        claims = first.claims()
        next(claims)
        stores.fill(second, plan)
        assert all(claim.features == [] for claim in claims)


def test_a_locked_plan_names_the_lock(stores, monkeypatch):
    monkeypatch.setattr("tokser.store.locks.PATIENCE_S", 0.1)
    table = stores.manifest()
    stores.complete(table)
    with (
        FileLock(f"{stores.path}.lock"),
        pytest.raises(StoreLockedError, match="holds the lock"),
        stores.writer(table),
    ):
        pass


def test_values_that_float16_cannot_hold_name_the_utterance(stores):
    table = stores.manifest(3)
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        rows = [stores.rows(plan, "layer-2", i).astype(np.float32) for i in range(3)]
        rows[1][2, 3] = 70_000
        with pytest.raises(RunError, match=r"layer-2, utt001: .*7e\+04.*--dtype float32"):
            group.commit(0, {"layer-2": rows}, {})
        assert 0 in group.pending()


def test_rows_that_differ_from_the_plan_are_refused(stores):
    table = stores.manifest(2)
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        rows = [stores.rows(plan, "layer-2", 0), stores.rows(plan, "layer-2", 1)[:-1]]
        with pytest.raises(RunError, match="utt001: expected rows of shape"):
            group.commit(0, {"layer-2": rows}, {})


def test_a_group_without_a_usable_utterance_is_refused(stores):
    table = stores.manifest(2)
    with stores.writer(table) as writer, pytest.raises(RunError, match="usable utterance"):
        writer.plan_group(stores.plan(table, lengths=[0, 0]))


@pytest.mark.parametrize("name", ["manifest", "functionals"])
def test_names_that_a_store_keeps_for_itself_are_refused(stores, name):
    table = stores.manifest(2)
    with stores.writer(table) as writer, pytest.raises(SettingsError, match="Rename the folder"):
        writer.plan_group(stores.plan(table, name=name))


def test_renamed_values_of_a_provenance_still_match(stores):
    table = stores.manifest()
    former = stores.plan(table, variant="report", options={"seeds": 2})
    present = stores.plan(table, variant="paper", options={"global_queries": 2})
    identity = stores.complete(table, former)["whisper-tiny/layer-2"].identity
    with stores.writer(table) as writer:
        assert writer.plan_group(present).pending() == {}
        with pytest.raises(StoreMismatchError, match="variant report as in the store, got variant"):
            writer.plan_group(stores.plan(table, variant="scaled", options={"seeds": 2}))
    assert open_store(stores.path)["whisper-tiny/layer-2"].identity == identity


def test_two_writers_of_one_lookup_table_leave_one(stores):
    table = stores.manifest(4)
    plan = stores.plan(table)
    keys, rows = np.arange(3, dtype=np.int32), np.ones((3, 4), np.float16)
    with stores.writer(table) as first, stores.writer(table) as second:
        groups = [writer.plan_group(plan) for writer in (first, second)]
        for group in groups:
            group.put_lookup("word", ids="layer-2", keys=keys, table=rows)
    lookups = open_store(stores.path).group("whisper-tiny").lookups
    assert lookups["word"].place == 0


def test_a_refusal_names_the_nested_key_that_differs(stores):
    table = stores.manifest()
    made = {"speech": {"model": "a", "context": "pad"}, "text": {"model": "b"}}
    stores.complete(table, stores.plan(table, trained_on=made))
    other = made | {"speech": {"model": "a", "context": "fit"}}
    wanted = (
        "expected trained_on.speech.context pad as in the store, got trained_on.speech.context fit"
    )
    with stores.writer(table) as writer, pytest.raises(StoreMismatchError, match=wanted):
        writer.plan_group(stores.plan(table, trained_on=other))
