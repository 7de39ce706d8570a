"""A store whose corpus changes: corrected tables, new utterances, utterances that have to go."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest

from tokser.config import PoolSettings
from tokser.errors import (
    QuarantinedError,
    SettingsError,
    StoreIncompleteError,
    StoreLockedError,
    StoreMismatchError,
)
from tokser.stages.pool import pool
from tokser.store import (
    drop_from_store,
    open_store,
    remove_from_store,
    update_store,
    verify_store,
)
from tokser.store.convert import convert_store
from tokser.store.locks import Locks
from tokser.store.objects import LocalObjects

pytestmark = pytest.mark.parametrize("stores", ["zarr", "zarr-zstd", "hdf5"], indirect=True)

SPEECH, TEXT = "whisper-tiny/layer-2", "bert/contextual"


def text_of(table) -> str:
    return table.to_csv(lineterminator="\n")


def plans(stores, table):
    """Speech by length of the recording, text by words and their letters."""
    speech = stores.plan(table, features={"layer-2": 4}, shard_bytes=1_000)
    lengths = [len(text) for text in table["transcript"]]
    text = stores.plan(table, name="bert", kind="text", features={"contextual": 3}, lengths=lengths)
    ids = text.features["contextual"].model_copy(update={"dim": None, "dtype": "int32"})
    return speech, text.model_copy(update={"features": text.features | {"token_ids": ids}})


def rows_of(plan, table, feature, position):
    """Rows that the utterance and what it says decide, wherever it lies."""
    name, text = table.index[position], table["transcript"].iloc[position]
    length = int(plan.lengths[position])
    if feature == "token_ids":
        return np.array([ord(letter) for letter in text], dtype=np.int32)
    spec = plan.features[feature]
    key = [*feature.encode(), *name.encode(), *(text.encode() if plan.kind == "text" else b"")]
    return np.random.default_rng(key).normal(size=(length, spec.dim)).astype(spec.dtype)


def extract(stores, table) -> list[str]:
    """Do what `extract` does; returns which rows were computed, as `group id`."""
    done = []
    with stores.writer(table, may_grow=True) as writer:
        for plan in plans(stores, table):
            group = writer.plan_group(plan)
            for shard, features in group.pending().items():
                positions = group.layout.utterances(shard).tolist()
                rows = {f: [rows_of(plan, table, f, i) for i in positions] for f in features}
                group.commit(shard, rows, {})
                done += [f"{plan.name} {table.index[i]}" for i in positions]
            if plan.kind == "text":
                keys = np.unique([ord(c) for text in table["transcript"] for c in text])
                there = group.lookup_keys("word")
                if there is None or not np.isin(keys, there).all():
                    keys = keys if there is None else np.union1d(keys, there)
                    keys = keys.astype(np.int32)
                    words = np.stack([keys, -keys], axis=1).astype(np.float16)
                    group.put_lookup("word", ids="token_ids", keys=keys, table=words)
    return done


def living(stores, number=8):
    table = stores.manifest(number)
    table["transcript"] = [f"{'qrstuvwx'[i % 8] * 3} {name}" for i, name in enumerate(table.index)]
    extract(stores, table)
    pool(PoolSettings(store=str(stores.path)))
    return table


def assert_holds(stores, table):
    """Everything is as if the table had been extracted at once."""
    store = open_store(stores.path)
    assert store.ids == list(table.index)
    assert verify_store(store).damages == []
    for plan in plans(stores, table):
        for feature in plan.features:
            layer = store[f"{plan.name}/{feature}"]
            assert layer.ids == store.ids
            assert layer.lengths.tolist() == plan.lengths.tolist()
            for position, name in enumerate(table.index):
                wanted = rows_of(plan, table, feature, position)
                np.testing.assert_array_equal(layer[name], wanted)
            found = layer.batch(store.ids)
            assert found.lengths.tolist() == plan.lengths.tolist()
    for name in table.index:
        text = table.loc[name, "transcript"]
        wanted = np.array([[ord(c), -ord(c)] for c in text], dtype=np.float16)
        np.testing.assert_array_equal(store["bert/word"][name], wanted)
    for name in (SPEECH, TEXT, "bert/word"):
        if name in store.pooled:
            functionals = store.functionals(name)
            assert list(functionals.index) == store.ids
            for one in store.ids:
                mean = store[name][one].astype(np.float32).mean(axis=0)
                np.testing.assert_allclose(functionals.loc[one][: len(mean)], mean, atol=1e-2)


def test_a_corrected_label_changes_the_table_alone(stores):
    table = living(stores)
    before = open_store(stores.path)
    rows = {p: p.read_bytes() for p in stores.path.rglob("*") if "rows" in p.parts and p.is_file()}
    table.loc["utt003", "label"] = "joy"
    told = update_store(str(stores.path), text_of(table), dry_run=True)
    assert open_store(stores.path).version == 1
    done = update_store(str(stores.path), text_of(table))
    assert done == told
    assert (done.version, dict(done.change.changed), dict(done.outdated)) == (
        *(2, {"label": ("utt003",)}, {}),
    )
    after = open_store(stores.path)
    assert after.utterances.loc["utt003", "label"] == "joy"
    assert (after.attributes.format, [v.number for v in after.versions]) == ("1.1", [1, 2])
    assert (after.versions[1].num_changed, after.versions[1].columns) == (1, ("label",))
    assert "joy" not in after.table_of(1)
    assert all(path.read_bytes() == content for path, content in rows.items())
    assert extract(stores, table) == []
    assert_holds(stores, table)
    assert after.identity(SPEECH) != before.identity(SPEECH)
    assert after.identity(SPEECH, without=["label"]) == before.identity(SPEECH)
    assert update_store(str(stores.path), text_of(table)).change.is_empty


def test_a_store_that_never_changed_stays_of_format_1(stores):
    living(stores)
    store = open_store(stores.path)
    assert store.backend.read_document("")["format"] == 1
    assert not {"version", "removed", "origin"} & set(store.backend.read_document(""))
    assert not {"parts", "numbered"} & set(store.backend.read_document("bert"))


def test_only_a_corrected_transcript_is_computed_again(stores):
    table = living(stores)
    table.loc["utt005", "transcript"] = "something longer than before"
    done = update_store(str(stores.path), text_of(table))
    lacking = (TEXT, "bert/token_ids", "functionals/bert/contextual", "functionals/bert/word")
    assert set(done.outdated) == {*lacking, "bert/word"}
    assert set(done.outdated.values()) == {("utt005",)}
    store = open_store(stores.path)
    assert verify_store(store).outdated == {name: ["utt005"] for name in lacking}
    for name in (TEXT, "bert/word"):
        with pytest.raises(StoreIncompleteError, match=r"version 2 .*none of utt005.*extract"):
            store[name]["utt005"]
        assert len(store[name]["utt004"])
    assert store[SPEECH].is_complete
    assert extract(stores, table) == ["bert utt005"]
    with pytest.raises(StoreIncompleteError, match="tokser pool"):
        open_store(stores.path).functionals(TEXT)
    pool(PoolSettings(store=str(stores.path)))
    assert_holds(stores, table)
    assert open_store(stores.path).pooled == [SPEECH, TEXT, "bert/word"]
    assert extract(stores, table) == []


def grown(stores, table, number):
    """The table and new utterances, some of them longer than any shard was planned for."""
    more = stores.manifest(number)
    more["num_samples"] *= 20
    more["transcript"] = "new words"
    more.loc[table.index, table.columns] = table
    return more.astype({"num_samples": int})


def test_new_utterances_are_appended_and_others_stay(stores):
    table = living(stores)
    before = {
        path: path.read_bytes()
        for path in stores.path.rglob("*")
        if path.is_file() and path.name not in ("zarr.json", "store.json", "group.json")
    }
    more = grown(stores, table, 12)
    done = extract(stores, more)
    assert done == [f"{g} utt{i:03d}" for g in ("whisper-tiny", "bert") for i in range(8, 12)]
    kept = [path for path in before if "bert/word" not in path.as_posix()]
    assert all(path.read_bytes() == before[path] for path in kept)
    store = open_store(stores.path)
    assert (store.version, store.versions[-1].num_added) == (2, 4)
    assert store[SPEECH].layout.shard_of[0] == 0
    pool(PoolSettings(store=str(stores.path)))
    assert_holds(stores, more)
    suffix = ".h5" if stores.suffix == ".zarr" else ".zarr"
    copy = convert_store(str(stores.path), str(stores.folder / f"copy{suffix}"))
    assert copy.attributes.format == 1
    np.testing.assert_array_equal(copy[SPEECH]["utt010"], store[SPEECH]["utt010"])
    np.testing.assert_array_equal(copy["bert/word"]["utt010"], store["bert/word"]["utt010"])


def test_another_manifest_is_refused_with_the_differences(stores):
    table = living(stores)
    other = table.copy()
    other.loc["utt001", "label"] = "joy"
    for wrong, why in ((other, "label of 1 utterances"), (table[:-2], "2 utterances fewer")):
        with (
            pytest.raises(StoreMismatchError, match=rf"manifest_digest.*{why}.*store update"),
            stores.writer(wrong, may_grow=True),
        ):
            pass
    with (
        pytest.raises(StoreMismatchError, match="1 utterances more"),
        stores.writer(grown(stores, table, 9)),
    ):
        pass
    with pytest.raises(SettingsError, match=r"without utt006, utt007.*store remove"):
        update_store(str(stores.path), text_of(table[:-2]))


MARKS = ("utt002", "utt006", "sss", "www")
"""What is to be found nowhere: ids, and words that nobody else says."""


def traces(stores, secrets) -> list[str]:
    """Search every byte of every file, packed or not, for what was removed."""
    found = []
    for path in [*stores.path.rglob("*"), *stores.folder.glob("*.lock*")]:
        if path.is_file():
            content = path.read_bytes() + str(path).encode()
            found += [f"{secret!r} in {path}" for secret in secrets if secret in content]
    return found


def secrets_of(store, names) -> list[bytes]:
    """Rows, ids and transcripts of utterances, and their checksums."""
    found = [mark.encode() for mark in MARKS]
    for feature in (*store.arrays, "bert/word"):
        layer = store[feature]
        for name in names:
            rows = layer[name]
            if rows.ndim > 1:
                found += [row.tobytes() for row in rows[:3]]
            if feature != "bert/word":
                found.append(layer.records()[name].checksum.encode())
    keys, table = store["bert/word"].keys_and_table
    found += [table[keys == ord(letter)].tobytes() for letter in "sw"]
    return found


def lived(stores):
    """A store that has it all: versions, parts, superseded rows, functionals."""
    table = living(stores)
    first = open_store(stores.path)
    gone = ["utt002", "utt006"]
    secrets = secrets_of(first, gone)
    table.loc["utt006", "transcript"] = "www utt006 and more"
    update_store(str(stores.path), text_of(table))
    extract(stores, table)
    pool(PoolSettings(store=str(stores.path)))
    return table, gone, [*secrets, *secrets_of(open_store(stores.path), gone)]


def test_what_is_removed_is_in_no_byte_of_any_file(stores):
    table, gone, secrets = lived(stores)
    left = stores.path / "whisper-tiny" / "layer-2" / ".x.0123.partial"
    left.write_bytes(b"utt002")
    if stores.compression == "none":
        assert len(traces(stores, secrets)) > 20
    told = remove_from_store(str(stores.path), ids=gone, dry_run=True)
    assert open_store(stores.path).ids == list(table.index)
    assert remove_from_store(str(stores.path), ids=gone) == told
    assert told.num_utterances == 2
    assert traces(stores, secrets) == []
    rest = table.drop(index=gone)
    assert_holds(stores, rest)
    store = open_store(stores.path)
    assert [one.num_utterances for one in store.attributes.removals] == [2]
    assert store.attributes.removals[0].when.startswith("20")
    with pytest.raises(SettingsError, match="the id of an utterance in the store"):
        store[SPEECH]["utt002"]
    assert extract(stores, rest) == []
    again = table.iloc[[2]].assign(transcript="back again")
    more = pd.concat([rest, again])
    assert extract(stores, more) == ["whisper-tiny utt002", "bert utt002"]
    pool(PoolSettings(store=str(stores.path)))
    assert_holds(stores, more)


def test_a_speaker_is_removed_by_name(stores):
    table = living(stores)
    remove_from_store(str(stores.path), speaker="s1")
    assert_holds(stores, table[table["speaker"] != "s1"])


def test_what_cannot_be_removed_is_refused_and_nothing_changes(stores):
    table = living(stores, 4)
    path = str(stores.path)
    for wrong, why in (
        ({"speaker": "nobody"}, "no utterance of speaker 'nobody'"),
        ({"ids": ["utt001", "who"]}, "ids that it does not have: who"),
        ({"ids": list(table.index)}, "all of them"),
        ({}, "none"),
    ):
        with pytest.raises(SettingsError, match=f"got {why}"):
            remove_from_store(path, **wrong)
    store = open_store(path)
    with Locks(store.backend).shard("bert", 0), pytest.raises(StoreLockedError):
        remove_from_store(path, ids=["utt001"])
    assert_holds(stores, table)


def test_a_reader_keeps_what_it_opened_or_is_told(stores):
    table = living(stores)
    store = open_store(stores.path)
    layer = store[SPEECH]
    kept, gone = layer["utt001"], layer["utt002"].copy()
    remove_from_store(str(stores.path), ids=["utt002"])
    wanted = rows_of(plans(stores, table)[0], table, "layer-2", 1)
    np.testing.assert_array_equal(kept, wanted)
    with pytest.raises(StoreMismatchError, match=r"was opened.*Open it again"):
        layer["utt002"]
    assert gone.any()


class PowerCut(BaseException):
    """The process dies here."""


def die_at(monkeypatch, step):
    """Let writes and deletions die at a step, in the middle of a write."""
    plain = {"put": LocalObjects.put, "delete": LocalObjects.delete}
    calls = []

    def counted(method):
        def call(objects, key, *arguments):
            calls.append(key)
            if len(calls) == step:
                if method == "put":
                    partial = (objects.folder / key).with_name(".x.0123abcd.partial")
                    partial.parent.mkdir(parents=True, exist_ok=True)
                    partial.write_bytes(b"".join(bytes(part) for part in arguments[0])[:-1])
                raise PowerCut
            return plain[method](objects, key, *arguments)

        return call

    for method in plain:
        monkeypatch.setattr(LocalObjects, method, counted(method))


def killed_at(stores, start, step, work, monkeypatch) -> bool:
    """Run work on a copy of a store until it dies; tell whether it did."""
    shutil.rmtree(stores.path)
    shutil.copytree(start, stores.path)
    with monkeypatch.context() as patch:
        die_at(patch, step)
        try:
            work()
        except PowerCut:
            return True
    return False


def test_a_killed_removal_is_finished_by_a_rerun(stores, monkeypatch, counts):
    table, gone, secrets = lived(stores)
    start = stores.folder / "start"
    shutil.copytree(stores.path, start)
    rest = table.drop(index=gone)

    def work():
        remove_from_store(str(stores.path), ids=gone)

    for step in counts(60):
        if not killed_at(stores, start, step, work, monkeypatch):
            break
        try:
            ids = open_store(stores.path).ids
            assert ids in (list(table.index), list(rest.index))
        except StoreIncompleteError as error:
            assert "the same `tokser store remove` again" in str(error)
        work_again(work)
        assert traces(stores, secrets) == []
        assert_holds(stores, rest)


def test_a_table_that_a_killed_removal_left_is_removed_by_a_rerun(stores, monkeypatch):
    """Killed after the shorter table is named, before the longer one is deleted."""
    table, gone, secrets = lived(stores)
    with monkeypatch.context() as patch:
        kill = pytest.raises(PowerCut)
        patch.setattr(type(open_store(stores.path).backend), "delete_lookup", raise_power_cut)
        with kill:
            remove_from_store(str(stores.path), ids=gone)
    assert traces(stores, secrets)
    remove_from_store(str(stores.path), ids=gone)
    assert traces(stores, secrets) == []
    assert_holds(stores, table.drop(index=gone))


def raise_power_cut(*_):
    raise PowerCut


def work_again(work):
    try:
        work()
    except SettingsError as error:  # it had come to its end
        assert "ids that it does not have" in str(error)


def test_a_killed_update_or_append_leaves_the_old_or_the_new(stores, monkeypatch, counts):
    table = living(stores)
    start = stores.folder / "start"
    shutil.copytree(stores.path, start)
    more = grown(stores, table, 10)
    changed = more.copy()
    changed.loc["utt001", "transcript"] = "corrected"

    def work():
        extract(stores, more)
        update_store(str(stores.path), text_of(changed))
        extract(stores, changed)

    for step in counts(80):
        if not killed_at(stores, start, step, work, monkeypatch):
            break
        store = open_store(stores.path)
        assert verify_store(store).damages == []
        old = rows_of(plans(stores, table)[1], table, "contextual", 2)
        np.testing.assert_array_equal(store[TEXT]["utt002"], old)
        if store.version < 3:
            extract(stores, more)
            update_store(str(stores.path), text_of(changed))
        extract(stores, changed)
        pool(PoolSettings(store=str(stores.path)))
        assert_holds(stores, changed)


@pytest.fixture
def counts():
    """Steps at which something dies: some, or all of them under TOKSER_FAULTS=full."""
    full = os.environ.get("TOKSER_FAULTS") == "full"
    return lambda most: range(1, 10 * most) if full else range(2, most, most // 4)


def test_an_old_reader_would_refuse_it_with_a_sentence(stores):
    table = living(stores, 4)
    table["label"] = "joy"
    update_store(str(stores.path), text_of(table))
    found = open_store(stores.path).backend.read_document("")["format"]
    assert found == "1.1"  # which readers of format 1 compare with 1
    assert f"format {found}" == "format 1.1"


def test_quarantined_utterances_of_a_later_part_are_named(stores):
    table = stores.manifest(4)
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan)
    more = stores.manifest(6)
    lengths = [*plan.lengths, 0, 0]
    with stores.writer(more, may_grow=True) as writer:
        group = writer.plan_group(stores.plan(more, lengths=lengths))
        for shard in group.pending():
            names = [more.index[i] for i in group.layout.utterances(shard)]
            group.commit(shard, {"layer-2": [None] * len(names)}, dict.fromkeys(names, "broken"))
    store = open_store(stores.path)
    assert store[SPEECH].quarantined == {"utt004": "broken", "utt005": "broken"}
    assert store[SPEECH].is_complete
    with pytest.raises(QuarantinedError, match="broken"):
        store[SPEECH]["utt004"]
    assert verify_store(store).is_whole


def test_it_is_the_same_at_a_url(remote_stores, stores):
    if stores.suffix != ".zarr" or stores.compression != "none":
        pytest.skip("a store at a URL is Zarr, and a packed one no different here")
    table = living(remote_stores, 6)
    table.loc["utt001", "transcript"] = "corrected"
    update_store(remote_stores.path, text_of(table))
    more = grown(remote_stores, table, 8)
    done = extract(remote_stores, more)
    assert done[-3:] == ["bert utt001", "bert utt006", "bert utt007"]
    remove_from_store(remote_stores.path, ids=["utt002"])
    pool(PoolSettings(store=remote_stores.path))
    assert_holds(remote_stores, more.drop(index="utt002"))
    bucket = open_store(remote_stores.path).backend.objects
    keys = bucket.keys_under("")
    assert len(keys) > 50
    assert not [k for k, c in zip(keys, bucket.get_many(keys), strict=True) if b"utt002" in c]
    drop_from_store(remote_stores.path, "bert")
    assert not [key for key in bucket.keys_under("") if "bert" in key]
