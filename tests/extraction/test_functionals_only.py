"""Functionals without rows: equal to pooled rows, and enough for classifiers."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import AuditSettings, ClassifySettings, ExtractSettings, PoolSettings
from tokser.errors import StoreMismatchError
from tokser.stages.audit import audit
from tokser.stages.classify import classify
from tokser.stages.convert import convert
from tokser.stages.extract import extract
from tokser.stages.pool import pool
from tokser.stages.repair import repair
from tokser.store import verify_store


@pytest.fixture
def settings(emodb, tiny, tmp_path):
    def _settings(store, *encoders, **changes):
        names = encoders or ("tiny-whisper", "tiny-bert")
        values = {
            "dataset": "emodb",
            "root": emodb,
            "store": str(tmp_path / store),
            "encoders": tuple(str(tiny / name) for name in names),
            "layers": "all",
        }
        return ExtractSettings(**values | changes)

    return _settings


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_they_equal_those_of_stored_rows_bit_by_bit(settings, dtype):
    alone = extract(settings("alone.zarr", dtype=dtype, functionals_only=True))
    whole = extract(settings("whole.zarr", dtype=dtype))
    pool(PoolSettings(store=whole.store))
    few, many = tokser.open_store(alone.store), tokser.open_store(whole.store)
    assert few.features == []
    assert sorted(few.pooled) == sorted(many.pooled)
    assert "tiny-bert/word" in few.pooled
    for feature in many.pooled:
        pd.testing.assert_frame_equal(
            few.functionals(feature), many.functionals(feature), check_exact=True
        )
    assert verify_store(few).is_whole


def test_pool_reports_that_they_were_extracted(settings, capsys):
    done = extract(settings("alone.zarr", functionals_only=True))
    names = pool(PoolSettings(store=done.store))
    assert "tiny-whisper/layer-2" in names
    assert "extracted as functionals, nothing to pool" in capsys.readouterr().err
    assert pool(PoolSettings(store=done.store, features=("tiny-bert/word",))) == ["tiny-bert/word"]


def test_rows_added_later_share_their_functionals(settings):
    done = extract(settings("both.zarr", "tiny-whisper", functionals_only=True))
    before = tokser.open_store(done.store).functionals("tiny-whisper/layer-2")
    extract(settings("both.zarr", "tiny-whisper"))
    pool(PoolSettings(store=done.store))
    store = tokser.open_store(done.store)
    assert store.pooled == store.features
    pd.testing.assert_frame_equal(store.functionals("tiny-whisper/layer-2"), before)


def test_classifiers_train_on_them(settings, tmp_path):
    done = extract(settings("alone.zarr", "tiny-whisper", functionals_only=True, layers="last"))
    changes = {"protocols": ("speaker",), "classifiers": ("logreg",)}
    out = classify(
        ClassifySettings(dataset="emodb", store=done.store, out=tmp_path / "out", **changes)
    )
    results = pd.read_csv(out / "results.csv")
    assert results["features"].tolist() == ["tiny-whisper/layer-2"]


def test_another_model_of_the_same_name_is_refused(settings, tmp_path):
    from tokser.testing.encoders import build_tiny_whisper

    extract(settings("alone.zarr", "tiny-whisper", functionals_only=True))
    build_tiny_whisper(tmp_path / "tiny-whisper", seed=1)
    other = settings("alone.zarr", functionals_only=True)
    with pytest.raises(StoreMismatchError, match=r"source\.weights_sha256"):
        extract(other.model_copy(update={"encoders": (str(tmp_path / "tiny-whisper"),)}))


def test_a_changed_recording_is_noticed_and_repaired(settings, emodb):
    call = settings("alone.zarr", "tiny-whisper", functionals_only=True)
    extract(call)
    old = tokser.open_store(call.store).functionals("tiny-whisper/layer-2")
    path = emodb / "wav" / "03a02Wa.wav"
    data = bytearray(path.read_bytes())
    data[-400:] = bytes(400)
    path.write_bytes(bytes(data))
    with pytest.raises(StoreMismatchError, match=r"03a02Wa: its file changed.*store repair"):
        extract(call)
    assert [stale.utterance for stale in repair(call.store, emodb).stale] == ["03a02Wa"]
    extract(call)
    new = tokser.open_store(call.store).functionals("tiny-whisper/layer-2")
    assert list(new.index[(new != old).any(axis=1)]) == ["03a02Wa"]


def test_an_interrupted_run_continues(settings, monkeypatch):
    monkeypatch.setattr("tokser.extraction.group_plan.UTTERANCES_PER_SHARD", 2)
    monkeypatch.setattr("tokser.extraction.commit.Committer.finish", lambda self: 1 / 0)
    call = settings("alone.zarr", "tiny-whisper", functionals_only=True)
    with pytest.raises(ZeroDivisionError):
        extract(call)
    monkeypatch.undo()
    monkeypatch.setattr("tokser.extraction.group_plan.UTTERANCES_PER_SHARD", 2)
    extract(call)
    store = tokser.open_store(call.store)
    assert store["functionals/tiny-whisper/layer-0"].layout.num_shards == 3
    assert extract(call).num_encoded == 0


def test_they_are_shown_exported_and_converted(settings, tmp_path):
    done = extract(settings("alone.zarr", "tiny-whisper", functionals_only=True, layers="last"))
    shown = CliRunner().invoke(main, ["store", "info", done.store, "--json"])
    (feature,) = json.loads(shown.output)["features"]
    assert (feature["name"], feature["dim"]) == ("functionals/tiny-whisper/layer-2", 128)
    convert(done.store, str(tmp_path / "copy.h5"))
    copy, store = tokser.open_store(tmp_path / "copy.h5"), tokser.open_store(done.store)
    name = "tiny-whisper/layer-2"
    pd.testing.assert_frame_equal(copy.functionals(name), store.functionals(name))
    out = tmp_path / "tables"
    call = ["store", "export", done.store, str(out), "--format", "npz", "--functionals"]
    exported = CliRunner().invoke(main, call)
    assert exported.exit_code == 0, exported.output
    (file,) = out.rglob("*.npz")
    assert any(np.load(file, allow_pickle=False)[key].size for key in np.load(file))


def test_exact_copies_are_found_without_rows(settings, emodb):
    wav = emodb / "wav"
    (wav / "09a05Ea.wav").write_bytes((wav / "03a01Fa.wav").read_bytes())
    done = extract(settings("alone.zarr", "tiny-bert", "tiny-whisper", functionals_only=True))
    found = audit(AuditSettings(store=done.store, protocols=("speaker",)))["speaker"]
    assert found.examples["recordings"] == ("03a01Fa = 09a05Ea",)
    assert found.stamp == "LEAKS RECORDINGS"


def test_quarantined_utterances_are_shown_every_time(settings, emodb):
    (emodb / "wav" / "03a01Fa.wav").write_bytes(b"no audio")
    call = settings("alone.zarr", "tiny-whisper", functionals_only=True, layers="last")
    words = ["extract", "--dataset", "emodb", "--root", str(emodb), "--store", call.store]
    words += ["--encoder", call.encoders[0], "--functionals-only"]
    for _ in range(2):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 3, result.output
        assert "03a01Fa" in result.output
        assert "not audio" in result.output
    rows = extract(settings("rows.zarr", "tiny-whisper", layers="last"))
    assert extract(call).quarantined == rows.quarantined
    shown = CliRunner().invoke(main, ["store", "info", call.store, "--json"])
    assert json.loads(shown.output)["quarantined"] == rows.quarantined
