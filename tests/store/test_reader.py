import numpy as np
import pytest
import zarr

import tokser
from tokser.errors import (
    CorruptStoreError,
    MissingInputError,
    QuarantinedError,
    SettingsError,
    StoreIncompleteError,
    StoreMismatchError,
)


def test_the_utterances_are_the_manifest(stores):
    table = stores.manifest()
    store = stores.complete(table)
    assert store.dataset == "emodb"
    assert list(store.utterances.index) == list(table.index)
    assert store.utterances["session"].tolist() == [""] * len(table)
    assert store.utterances["num_samples"].tolist() == table["num_samples"].tolist()


def test_a_layer_tells_its_shape(stores):
    table = stores.manifest()
    plan = stores.plan(table)
    layer = stores.complete(table, plan)["whisper-tiny/layer-2"]
    assert (layer.dim, layer.dtype, layer.kind) == (8, np.float16, "speech")
    assert layer.lengths.tolist() == plan.lengths.tolist()
    assert layer.num_rows == plan.lengths.sum()
    assert not layer["utt000"].flags.writeable


def test_an_unknown_feature_lists_those_there_are(stores):
    with pytest.raises(SettingsError, match=r"whisper-tiny/layer-2.*got 'wavlm/layer-9'"):
        stores.complete()["wavlm/layer-9"]


def test_an_unknown_utterance_is_named(stores):
    with pytest.raises(SettingsError, match="'nobody'"):
        stores.complete()["whisper-tiny/layer-2"]["nobody"]


def test_nothing_and_something_else_are_no_store(tmp_path):
    with pytest.raises(MissingInputError, match="expected a store, got nothing"):
        tokser.open_store(tmp_path / "none.zarr")
    with pytest.raises(StoreMismatchError, match="without a store's description"):
        tokser.open_store(tmp_path)
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(StoreMismatchError, match="without tokser attributes"):
        tokser.open_store(tmp_path / "other.zarr")


def test_a_later_format_is_refused(stores):
    store = stores.complete()
    store.backend.write_document("", store.backend.read_document("") | {"format": 2})
    with pytest.raises(StoreMismatchError, match=r"format 1 or 1\.1, got format 2"):
        tokser.open_store(store.path)


def test_an_uncommitted_shard_is_an_error_not_zeros(stores):
    table = stores.manifest(20)
    plan = stores.plan(table, shard_bytes=1_000)
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan, only_shards={0})
    layer = tokser.open_store(stores.path)["whisper-tiny/layer-2"]
    np.testing.assert_array_equal(layer["utt000"], stores.rows(plan, "layer-2", 0))
    with pytest.raises(StoreIncompleteError, match="again: it resumes"):
        layer["utt019"]
    with pytest.raises(StoreIncompleteError):
        _ = layer.ids


@pytest.mark.parametrize("damage", ["delete", "truncate"])
def test_a_shard_deleted_or_cut_short_is_an_error_not_zeros(stores, shard_file, damage):
    store = stores.complete()
    file = shard_file()
    if damage == "delete":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CorruptStoreError, match=r"shard 0: expected \d+ bytes"):
        store["whisper-tiny/layer-2"]["utt000"]


def test_a_quarantined_utterance_has_a_reason_and_no_id(stores):
    table = stores.manifest(4)
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        rows = [stores.rows(plan, "layer-2", i) for i in range(4)]
        rows[2] = None
        group.commit(0, {"layer-2": rows}, {"utt002": "truncated FLAC"})
    store = tokser.open_store(stores.path)
    layer = store["whisper-tiny/layer-2"]
    assert layer.ids == ["utt000", "utt001", "utt003"]
    assert list(layer.lengths.index) == layer.ids
    assert store.quarantined == {"utt002": "truncated FLAC"}
    with pytest.raises(QuarantinedError, match="truncated FLAC"):
        layer["utt002"]


def test_functionals_must_be_pooled_first(stores):
    with pytest.raises(StoreIncompleteError, match="tokser pool"):
        stores.complete()["whisper-tiny/layer-2"].functionals()


def test_a_lookup_feature_reads_like_any_other(stores):
    from tokser.store import FeatureSpec, GroupPlan

    table = stores.manifest(3)
    ids = [np.array([2, 9, 9, 3], dtype=np.int32), np.array([2, 3], dtype=np.int32), None]
    keys = np.array([2, 3, 9], dtype=np.int32)
    values = np.arange(12, dtype=np.float16).reshape(3, 4)
    plan = GroupPlan(
        name="bert",
        kind="text",
        features={"token_ids": FeatureSpec(dim=None, dtype="int32")},
        lengths=np.array([4, 2, 0]),
        provenance={},
    )
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        group.commit(0, {"token_ids": ids}, {"utt002": "empty transcript"})
        group.put_lookup("word", ids="token_ids", keys=keys, table=values)
    store = tokser.open_store(stores.path)
    assert store.features == ["bert/word"]
    word = store["bert/word"]
    np.testing.assert_array_equal(word["utt000"], values[[0, 2, 2, 1]])
    assert (word.dim, word.ids) == (4, ["utt000", "utt001"])


def test_a_document_of_another_version_is_refused_naming_the_key(stores):
    from tokser.store.documents import with_digest

    store = stores.complete()
    content = store.backend.read_document("") | {"colour": "blue"}
    content.pop("digest")
    store.backend.write_document("", with_digest(content))
    with pytest.raises(StoreMismatchError, match=r"another version.*colour"):
        tokser.open_store(store.path)
