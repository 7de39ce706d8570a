"""Features and groups leave a store whole, and what holds nothing is no group."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tokser.config import PoolSettings
from tokser.errors import (
    SettingsError,
    StoreLockedError,
    StoreMismatchError,
)
from tokser.stages.pool import pool
from tokser.store import drop_from_store, open_store, verify_store
from tokser.store.convert import convert_store
from tokser.store.locks import Locks
from tokser.store.objects import LocalObjects

pytestmark = pytest.mark.parametrize("stores", ["zarr", "hdf5"], indirect=True)

GROUP, FUNCTIONALS = "whisper-tiny", "functionals/whisper-tiny"


@pytest.fixture
def store(filled):
    return filled()


def files(store) -> set[str]:
    folder = Path(store.path)
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_feature_goes_with_its_functionals_and_the_others_stay(store):
    before = {name: store[name][store.ids[3]].copy() for name in store.features}
    done = drop_from_store(store.path, f"{GROUP}/layer-1")
    assert set(done.features) == {
        *(f"{FUNCTIONALS}/layer-1", f"{FUNCTIONALS}/layer-1@max", f"{GROUP}/layer-1"),
    }
    assert done.num_bytes > 0
    after = open_store(store.path)
    assert after.features == [f"{GROUP}/layer-2", "bert/contextual", "bert/word"]
    assert after.pooled == after.features
    assert not [name for name in files(after) if "layer-1" in name]
    for name in after.features:
        np.testing.assert_array_equal(after[name][after.ids[3]], before[name])
    assert verify_store(after).is_whole
    assert not list(Path(store.path).parent.glob("*.lock.*"))


def test_a_group_goes_with_everything_that_was_pooled_of_it(store):
    drop_from_store(store.path, "bert")
    after = open_store(store.path)
    assert after.groups == (GROUP, FUNCTIONALS)
    assert not [name for name in files(after) if "bert" in name]
    assert verify_store(after).is_whole


def test_the_last_feature_takes_its_group_along(store):
    drop_from_store(store.path, f"{GROUP}/layer-1")
    drop_from_store(store.path, f"{GROUP}/layer-2")
    assert open_store(store.path).groups == ("bert", "functionals/bert")


def test_functionals_alone_can_go(store):
    drop_from_store(store.path, f"{FUNCTIONALS}/layer-1@max")
    drop_from_store(store.path, "functionals/bert")
    after = open_store(store.path)
    assert after.pooled == [f"{GROUP}/layer-1", f"{GROUP}/layer-2"]
    assert f"{FUNCTIONALS}/layer-1@max" not in after
    assert "bert/word" in after


def test_a_dry_run_says_the_same_and_changes_nothing(store):
    before = files(store)
    told = drop_from_store(store.path, GROUP, dry_run=True)
    assert files(store) == before
    assert drop_from_store(store.path, GROUP) == told


def test_what_is_not_there_is_refused_and_nothing_is_lost(store):
    before = files(store)
    for name in ("wavlm", f"{GROUP}/layer-9", "manifest", "ids", "functionals", "../x", ""):
        with pytest.raises(SettingsError, match="expected one of whisper-tiny, bert"):
            drop_from_store(store.path, name)
    for name in ("bert/row_starts", "bert/contextual/rows", "functionals/bert/word/rows", "."):
        with pytest.raises(SettingsError, match="expected one of whisper-tiny, bert"):
            drop_from_store(store.path, name)
    assert files(store) == before


def test_token_ids_stay_while_a_table_is_read_through_them(store):
    with pytest.raises(SettingsError, match=r"token ids of bert/word. Drop these first"):
        drop_from_store(store.path, "bert/token_ids")
    drop_from_store(store.path, "bert/word")
    assert open_store(store.path).features[-1] == "bert/contextual"


def test_nobody_drops_what_is_being_written(store):
    locks = Locks(store.backend)
    with (
        locks.shard(GROUP, 0) as ours,
        pytest.raises(StoreLockedError, match="no other process that writes to it, to drop"),
    ):
        assert ours
        drop_from_store(store.path, GROUP)
    assert verify_store(open_store(store.path)).is_whole
    drop_from_store(store.path, GROUP)


class PowerCut(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("name", [GROUP, f"{GROUP}/layer-2"])
def test_a_kill_at_any_step_is_finished_by_a_rerun(stores, store, name, monkeypatch):
    wanted = stores.folder / f"wanted{stores.suffix}"
    shutil.copytree(store.path, wanted)
    drop_from_store(str(wanted), name)
    plain = {"put": LocalObjects.put, "delete": LocalObjects.delete}
    for step in range(1, 60):
        calls = []

        def counted(method, step=step, calls=calls):
            def call(*arguments):
                calls.append(1)
                if len(calls) >= step:
                    raise PowerCut
                return plain[method](*arguments)

            return call

        with monkeypatch.context() as patch:
            for method in plain:
                patch.setattr(LocalObjects, method, counted(method))
            try:
                drop_from_store(store.path, name)
                break
            except PowerCut:
                pass
        assert verify_store(open_store(store.path)).is_whole
        if step % 3 == 0:
            drop_from_store(store.path, name)
            break
    assert files(open_store(store.path)) == files(open_store(wanted))


def test_a_group_without_a_shard_is_planned_anew(stores):
    table = stores.manifest(9)
    with stores.writer(table) as writer:
        writer.plan_group(stores.plan(table, features={"layer-2": 8}))
        wide = stores.plan(table, features={"layer-2": 8}, dtype="float32", weights_sha256="b")
        group = writer.plan_group(wide)
        stores.fill(group, wide)
    store = open_store(stores.path)
    assert store[f"{GROUP}/layer-2"].dtype == np.float32
    assert store.group(GROUP).provenance["weights_sha256"] == "b"
    assert verify_store(store).is_whole


def test_an_uncommitted_feature_is_planned_anew(stores):
    table = stores.manifest(9)
    one = stores.plan(table, features={"layer-1": 8})
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(one), one)
        writer.plan_group(stores.plan(table, features={"layer-2": 8}))
        wide = stores.plan(table, features={"layer-2": 8}, dtype="float32")
        stores.fill(writer.plan_group(wide), wide)
        with pytest.raises(StoreMismatchError, match="layer-1"):
            writer.plan_group(stores.plan(table, features={"layer-1": 8}, dtype="float32"))
    store = open_store(stores.path)
    assert [str(store[name].dtype) for name in store.features] == ["float16", "float32"]
    assert verify_store(store).is_whole


def test_one_that_is_at_its_first_shard_is_not_planned_anew(stores):
    table = stores.manifest(9)
    with stores.writer(table) as writer:
        group = writer.plan_group(stores.plan(table))
        with (
            group.claim([0]) as claims,
            pytest.raises(StoreMismatchError, match="weights_sha256"),
        ):
            assert claims.take() is not None
            writer.plan_group(stores.plan(table, weights_sha256="b"))


def test_who_planned_before_a_drop_commits_nothing_after_it(stores):
    table, plan = stores.manifest(9), None
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        drop_from_store(str(stores.path), GROUP)
        with pytest.raises(StoreMismatchError, match=r"as it was planned .*got none"):
            stores.fill(group, plan)
        wide = stores.plan(table, dtype="float32")
        writer.plan_group(wide)
        with pytest.raises(StoreMismatchError, match="planned again, or made smaller"):
            stores.fill(group, plan)


def test_pool_and_convert_skip_uncommitted_features(stores, capsys):
    table, plan = stores.manifest(9), stores.plan(stores.manifest(9))
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan)
        writer.plan_group(stores.plan(table, name="loud"))
    assert open_store(stores.path).uncommitted == ["loud/layer-2"]
    assert pool(PoolSettings(store=str(stores.path))) == [f"{GROUP}/layer-2"]
    assert "loud/layer-2: nothing is committed, left out" in capsys.readouterr().err
    other = "copy.h5" if stores.suffix == ".zarr" else "copy.zarr"
    copy = convert_store(str(stores.path), str(stores.folder / other))
    assert copy.groups == (GROUP, FUNCTIONALS)
    drop_from_store(str(stores.path), "loud")
    assert open_store(stores.path).groups == (GROUP, FUNCTIONALS)


def test_an_invalid_name_is_refused_before_a_write(stores):
    table = stores.manifest(4)
    store = stores.complete(table)
    before = files(store)
    with stores.writer(table) as writer:
        for name in ("ids", "IDS", "..", "a/b", "a@b", "functionals/x", "x" * 201):
            with pytest.raises(SettingsError, match="name of an encoder or run: expected a name"):
                writer.plan_group(stores.plan(table, name=name))
        with pytest.raises(SettingsError, match="expected a feature of another name"):
            writer.plan_group(stores.plan(table, features={"row_starts": 3}))
    assert files(store) == before


def test_names_that_differ_in_case_alone_are_refused(stores):
    table = stores.manifest(4)
    stores.complete(table)
    with (
        stores.writer(table) as writer,
        pytest.raises(SettingsError, match="differs from whisper-tiny in more than case"),
    ):
        writer.plan_group(stores.plan(table, name="Whisper-Tiny"))


def test_a_store_whose_document_names_a_place_outside_is_refused(stores):
    from tokser.store.documents import with_digest

    store = stores.complete(stores.manifest(4))
    root = store.attributes.model_dump(mode="json")
    store.backend.write_document("", with_digest(root | {"groups": ["../../victim"]}))
    with pytest.raises(StoreMismatchError, match=r"groups.*would leave the store"):
        open_store(stores.path)


def test_locks_go_by_the_real_folder(stores):
    store = stores.complete(stores.manifest(4))
    link = stores.folder / f"link{stores.suffix}"
    link.symlink_to(stores.path)
    with (
        Locks(store.backend).shard(GROUP, 0) as one,
        Locks(open_store(link).backend).shard(GROUP, 0) as other,
    ):
        assert (one, other) == (True, False)
    assert not list(stores.folder.glob("link*.lock*"))
