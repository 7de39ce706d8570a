import numpy as np
import pytest

import tokser
from tokser.config import PoolSettings
from tokser.errors import SettingsError, StoreIncompleteError
from tokser.stages.pool import pool
from tokser.store import FeatureSpec


def run(store, *features: str) -> list[str]:
    return pool(PoolSettings(store=str(store.path), features=features))


def assert_pooled(store, feature: str) -> None:
    """Hold the functionals against numpy in float64, utterance by utterance."""
    layer = store[feature]
    table = layer.functionals()
    assert list(table.index) == layer.ids
    assert table.shape == (len(layer.ids), 2 * layer.dim)
    for utterance in layer.ids:
        rows = layer[utterance].astype(np.float64)
        expected = np.concatenate(
            [np.mean(rows, 0), np.sqrt(np.mean((rows - rows.mean(0)) ** 2, 0))]
        )
        np.testing.assert_allclose(table.loc[utterance], expected, rtol=1e-5, atol=1e-6)


def text_group(stores, writer, table, quarantined: dict[str, str]):
    """Commit token ids and contextual rows, and the word embeddings as a lookup."""
    lengths = np.arange(2, 2 + len(table))
    plan = stores.plan(table, name="bert", features={"contextual": 5}, kind="text", lengths=lengths)
    specs = plan.features | {"token_ids": FeatureSpec(dim=None, dtype="int32")}
    plan = plan.model_copy(update={"features": specs})
    group = writer.plan_group(plan)
    rng = np.random.default_rng(0)
    ids = [rng.choice([3, 7, 9], n).astype(np.int32) for n in lengths]
    rows = [stores.rows(plan, "contextual", i) for i in range(len(table))]
    for place, name in enumerate(table.index):
        if name in quarantined:
            ids[place] = rows[place] = None
    for shard in group.pending():
        span = slice(*group.layout.shard_utterances(shard))
        here = {name: quarantined[name] for name in table.index[span] if name in quarantined}
        group.commit(shard, {"contextual": rows[span], "token_ids": ids[span]}, here)
    keys = np.array([3, 7, 9], dtype=np.int32)
    values = rng.normal(size=(3, 5)).astype(np.float16)
    group.put_lookup("word", ids="token_ids", keys=keys, table=values)


def test_every_feature_gets_mean_and_population_std(stores):
    table = stores.manifest(20)
    speech = stores.plan(table, features={"layer-1": 8, "layer-2": 8}, shard_bytes=4_000)
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(speech), speech)
        text_group(stores, writer, table, {})
    features = run(tokser.open_store(stores.folder / "toy.zarr"))
    store = tokser.open_store(stores.folder / "toy.zarr")
    assert features == store.features == store.pooled
    assert set(features) == {
        "whisper-tiny/layer-1",
        "whisper-tiny/layer-2",
        "bert/contextual",
        "bert/word",
    }
    for feature in features:
        assert_pooled(store, feature)


def test_quarantine_is_carried_over_with_its_reason(stores):
    table = stores.manifest(6)
    with stores.writer(table) as writer:
        text_group(stores, writer, table, {"utt002": "empty transcript"})
    run(tokser.open_store(stores.folder / "toy.zarr"))
    store = tokser.open_store(stores.folder / "toy.zarr")
    for feature in ("bert/contextual", "bert/word"):
        assert store[f"functionals/{feature}"].quarantined == {"utt002": "empty transcript"}
        assert_pooled(store, feature)


def test_each_layer_keeps_its_own_quarantine(stores):
    table = stores.manifest(4)
    plan = stores.plan(table, features={"layer-1": 8, "layer-2": 8})
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        for feature, reasons in (("layer-1", {}), ("layer-2", {"utt001": "unreadable"})):
            rows = [
                None if name in reasons else stores.rows(plan, feature, i)
                for i, name in enumerate(table.index)
            ]
            group.commit(0, {feature: rows}, reasons)
    run(tokser.open_store(stores.folder / "toy.zarr"))
    store = tokser.open_store(stores.folder / "toy.zarr")
    assert "utt001" in store["whisper-tiny/layer-1"].functionals().index
    assert "utt001" not in store["whisper-tiny/layer-2"].functionals().index


def test_a_second_call_changes_nothing(stores):
    store = stores.complete()
    run(store)
    files = [file for file in stores.folder.rglob("*") if file.is_file()]
    before = {file: file.stat().st_mtime_ns for file in files}
    assert run(tokser.open_store(store.path)) == ["whisper-tiny/layer-2"]
    files = [file for file in stores.folder.rglob("*") if file.is_file()]
    assert {file: file.stat().st_mtime_ns for file in files} == before


def test_a_feature_that_comes_later_is_added_and_the_first_stays(stores):
    table = stores.manifest()
    plan = stores.plan(table)
    run(stores.complete(table, plan))
    later = stores.plan(table, features={"layer-2": 8, "layer-3": 4})
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(later), later)
    run(tokser.open_store(stores.folder / "toy.zarr"))
    store = tokser.open_store(stores.folder / "toy.zarr")
    assert store.pooled == ["whisper-tiny/layer-2", "whisper-tiny/layer-3"]
    for feature in store.pooled:
        assert_pooled(store, feature)


def test_only_what_was_asked_for_is_pooled(stores):
    table = stores.manifest()
    store = stores.complete(table, stores.plan(table, features={"layer-1": 8, "layer-2": 8}))
    assert run(store, "whisper-tiny/layer-1") == ["whisper-tiny/layer-1"]
    assert tokser.open_store(store.path).pooled == ["whisper-tiny/layer-1"]


def test_a_stopped_call_goes_on(stores, monkeypatch):
    table = stores.manifest(30)
    store = stores.complete(table, stores.plan(table, features={"layer-1": 8, "layer-2": 8}))
    from tokser.functionals import pool as engine

    calls = []

    def fail(rows):
        calls.append(1)
        if len(calls) > 40:
            raise RuntimeError("power cut")
        return mean_std(rows)

    mean_std = engine.mean_std
    with monkeypatch.context() as patch:
        patch.setattr(engine, "mean_std", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            run(store)
    run(tokser.open_store(store.path))
    store = tokser.open_store(store.path)
    for feature in ("whisper-tiny/layer-1", "whisper-tiny/layer-2"):
        assert_pooled(store, feature)


def test_an_incomplete_feature_is_not_pooled(stores):
    table = stores.manifest(20)
    plan = stores.plan(table, shard_bytes=1_000)
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan, only_shards={0})
    store = tokser.open_store(stores.folder / "toy.zarr")
    with pytest.raises(StoreIncompleteError, match="whisper-tiny/layer-2"):
        run(store)
    assert tokser.open_store(store.path).group("whisper-tiny").kind == "speech"
    assert tokser.open_store(store.path).pooled == []


@pytest.mark.parametrize("feature", ["wavlm/layer-9", "bert/token_ids", "functionals/bert/word"])
def test_what_is_no_feature_is_refused_with_those_there_are(stores, feature):
    table = stores.manifest(3)
    with stores.writer(table) as writer:
        text_group(stores, writer, table, {})
    store = tokser.open_store(stores.folder / "toy.zarr")
    run(store)
    with pytest.raises(SettingsError, match=rf"bert/contextual, bert/word, got {feature}\."):
        run(tokser.open_store(store.path), feature)


def test_the_progress_counts_vectors_and_names_the_utterances(stores, caplog):
    table = stores.manifest(6)
    plan = stores.plan(table, features={"layer-1": 8, "layer-2": 8})
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan)
    with caplog.at_level("INFO", logger="tokser"):
        run(tokser.open_store(stores.folder / "toy.zarr"))
    assert "pool whisper-tiny: 6 utterances, a vector for each" in caplog.text
    assert "12/12 vectors" in caplog.text
