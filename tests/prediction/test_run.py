"""The engine: as a store, in chunks, in windows, by speaker; and what it refuses."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from tokser.corpora.waveform import read_waveform
from tokser.errors import CheckpointError, InputError, MissingInputError, SettingsError
from tokser.experiments.models.calibration import Calibration, KeptThreshold
from tokser.prediction import run
from tokser.prediction.featurise import Featuriser
from tokser.prediction.run import predict, predict_all
from tokser.testing.encoders import build_tiny_whisper

pytestmark = pytest.mark.slow


def by_name(table):
    """Index predictions of files by the names of the files."""
    return table.set_index(table["id"].map(lambda name: Path(name).stem)).rename_axis("id")


@pytest.fixture
def no_encoders(monkeypatch):
    """Loading an encoder fails."""

    def load(*args, **options):
        raise AssertionError("an encoder was loaded")

    monkeypatch.setattr(Featuriser, "load", load)


@pytest.fixture
def few(corpus, tmp_path):
    """Four recordings of the corpus."""
    for path in sorted((corpus / "wav").iterdir())[:4]:
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


def test_a_folder_is_predicted_as_its_store(corpus, whisper_store, whisper_model):
    found = predict_all(whisper_model, corpus)
    wanted = whisper_model.predict_store(whisper_store)
    got = by_name(found.table)[list(wanted.columns)]
    pd.testing.assert_frame_equal(got, wanted, check_exact=True)
    assert list(found.table.columns[:4]) == ["id", "start_s", "end_s", "label"]
    samples = whisper_store.utterances.loc[got.index, "num_samples"]
    assert found.table["end_s"].tolist() == (samples / 16_000).tolist()
    assert list(found.quarantined.values()) == [
        "tiny-whisper: a file that is not audio (Format not recognised)"
    ]


def test_sets_of_recordings_are_those_of_the_store(corpus, whisper_store, whisper_model, tmp_path):
    thresholds = (KeptThreshold("speakers", 0.9, 0.8, 9, "an utterance of a new speaker"),)
    model = replace(whisper_model, calibration=Calibration(3.0, "lac", thresholds))
    out = tmp_path / "p.csv"
    found = predict_all(model, corpus, sets="speakers", out=out)
    shown = model.showing(sets="speakers")
    got = by_name(found.table)[list(shown.columns)]
    wanted = shown.predict_store(whisper_store)
    pd.testing.assert_frame_equal(got, wanted, check_exact=True)
    again = predict_all(model, corpus, sets="speakers", out=out)
    assert list(again.table["prediction_set"]) == list(found.table["prediction_set"])
    for changed in ({"probabilities": "raw", "sets": "speakers"}, {}):
        with pytest.raises(SettingsError, match="predictions made otherwise"):
            predict_all(model, corpus, out=out, **changed)
    raw = by_name(predict_all(model, corpus, probabilities="raw").table)
    plain = by_name(predict_all(whisper_model, corpus).table)
    pd.testing.assert_frame_equal(raw, plain, check_exact=True)


def test_a_store_is_predicted_from_its_functionals(
    whisper_store, whisper_model, no_encoders, tmp_path
):
    found = predict_all(whisper_model, whisper_store.path, out=tmp_path / "p.parquet")
    wanted = whisper_model.predict_store(whisper_store)
    pd.testing.assert_frame_equal(found.table.set_index("id")[list(wanted.columns)], wanted)
    assert list(found.quarantined) == ["08b02Na"]
    again = predict_all(whisper_model, whisper_store.path, out=tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(again.table, found.table)


def test_it_goes_on_where_it_was_stopped(few, whisper_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "CHUNK_ROWS", 1)
    computed = []
    chunk = run._chunk

    def counted(*args):
        if len(computed) == 2:
            computed.append("stopped")
            raise KeyboardInterrupt
        computed.append("chunk")
        return chunk(*args)

    monkeypatch.setattr(run, "_chunk", counted)
    out = tmp_path / "out" / "p.csv"
    with pytest.raises(KeyboardInterrupt):
        predict_all(whisper_model, few, out=out)
    assert not out.exists()
    resumed = predict_all(whisper_model, few, out=out)
    assert computed == ["chunk", "chunk", "stopped", "chunk", "chunk"]
    assert [path.name for path in out.parent.iterdir() if path.is_dir()] == []
    monkeypatch.setattr(run, "_chunk", chunk)
    at_once = predict_all(whisper_model, few, out=tmp_path / "out" / "q.csv")
    pd.testing.assert_frame_equal(resumed.table, at_once.table)
    content = out.read_bytes()
    monkeypatch.setattr(Featuriser, "load", None)
    done = predict_all(whisper_model, few, out=out)
    assert f"{out}: already done" in capsys.readouterr().err
    assert out.read_bytes() == content
    np.testing.assert_allclose(done.table.iloc[:, 4:], resumed.table.iloc[:, 4:], atol=1e-8)


def test_a_changed_recording_is_another_call(few, whisper_model, tmp_path):
    out = tmp_path / "out" / "p.csv"
    predict_all(whisper_model, few, out=out)
    path = sorted(few.glob("*.wav"))[0]
    soundfile.write(path, read_waveform(path)[:-160], 16_000)
    with pytest.raises(SettingsError, match="predictions made otherwise"):
        predict_all(whisper_model, few, out=out)


def test_output_is_refused_before_an_encoder_is_loaded(few, whisper_model, tmp_path, no_encoders):
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(SettingsError, match="no file yet"):
        predict_all(whisper_model, few / "03a01Fa.wav", out=tmp_path / "mine.csv")
    with pytest.raises(SettingsError, match="ends in"):
        predict_all(whisper_model, few, out=tmp_path / "p.xlsx")
    with pytest.raises(InputError, match="a folder that can be written to"):
        predict_all(whisper_model, few / "03a01Fa.wav", out=few / "mine.csv" / "p.csv")


def test_windows_are_encoded_as_recordings_of_their_own(few, whisper_model, tmp_path):
    path = few / "long.wav"
    samples = np.random.default_rng(1).normal(0, 0.1, 32_000).astype(np.float32)
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    found = predict_all(whisper_model, path, window_s=0.8, hop_s=0.5).table
    assert found["start_s"].tolist() == [0.0, 0.5, 1.0, 1.2]
    assert found["end_s"].tolist() == [0.8, 1.3, 1.8, 2.0]
    assert set(found["id"]) == {str(path)}
    (tmp_path / "cut").mkdir()
    for start in (0.0, 0.5, 1.0, 1.2):
        first = round(start * 16_000)
        name = tmp_path / "cut" / f"{start}.wav"
        soundfile.write(name, samples[first : first + 12_800], 16_000, subtype="FLOAT")
    cut = predict_all(whisper_model, tmp_path / "cut").table
    columns = list(whisper_model.columns)
    pd.testing.assert_frame_equal(found[columns], cut[columns], check_exact=True)


def test_what_cannot_be_used_is_quarantined_with_its_reason(few, whisper_model, capsys):
    (few / "empty.wav").write_bytes(b"")
    soundfile.write(few / "zero.wav", np.zeros(0), 16_000)
    samples = np.full(16_000, 0.1, dtype=np.float32)
    samples[9_000] = np.nan
    soundfile.write(few / "nan.wav", samples, 16_000, subtype="FLOAT")
    soundfile.write(few / "phone.wav", np.full(4_000, 0.1), 8_000)
    soundfile.write(few / "stereo.wav", np.full((8_000, 2), 0.1), 16_000)
    found = predict_all(whisper_model, few)
    reasons = {Path(name).name: why for name, why in found.quarantined.items()}
    assert set(reasons) == {"empty.wav", "zero.wav", "nan.wav"}
    assert "an empty file (0 bytes)" in reasons["empty.wav"]
    assert "1 samples of NaN or inf" in reasons["nan.wav"]
    assert {"phone", "stereo"} <= set(by_name(found.table).index)
    in_windows = predict_all(whisper_model, few / "nan.wav", window_s=0.5)
    assert in_windows.table["start_s"].tolist() == [0.0]
    assert list(in_windows.quarantined) == [f"{few}/nan.wav, 0.500 to 1.000 s"]
    nothing = predict_all(whisper_model, few / "empty.wav")
    assert nothing.table.empty
    assert list(nothing.table.columns) == ["id", "start_s", "end_s", *whisper_model.columns]


def test_an_encoder_of_other_weights_is_refused_with_both(few, whisper_model, tmp_path):
    build_tiny_whisper(tmp_path / "other", seed=1)
    recorded = whisper_model.recipe.groups[0].weights_sha256
    with pytest.raises(CheckpointError, match=f"weights_sha256 {recorded} as at training"):
        predict(whisper_model, few / "03a01Fa.wav", encoders=[str(tmp_path / "other")])


def test_an_encoder_that_moved_is_named(few, whisper_model, tiny, tmp_path, monkeypatch):
    shutil.copytree(tiny / "tiny-whisper", tmp_path / "moved")
    path = few / "03a01Fa.wav"
    named = predict(whisper_model, path, encoders=[str(tmp_path / "moved")])
    pd.testing.assert_frame_equal(named, predict(whisper_model, path))
    with pytest.raises(SettingsError, match="named like one of the model's encoders"):
        predict(whisper_model, path, encoders=[str(tmp_path / "moved"), "x/y"])
    group = whisper_model.recipe.groups[0]
    monkeypatch.setitem(group.__dict__, "source", str(tmp_path / "gone"))
    with pytest.raises(MissingInputError, match="with --encoder"):
        predict(whisper_model, path)


def test_other_layers_and_another_context_are_refused(few, whisper_model, monkeypatch):
    group = whisper_model.recipe.groups[0]
    path = few / "03a01Fa.wav"
    with monkeypatch.context() as patch:
        patch.setitem(group.provenance, "trim", "none")
        with pytest.raises(CheckpointError, match="trim none as at training"):
            predict(whisper_model, path)
    with monkeypatch.context() as patch:
        patch.setitem(group.features, "layer-9", group.features["layer-1"])
        with pytest.raises(CheckpointError, match="an encoder with layer-9"):
            predict(whisper_model, path)


@pytest.fixture(scope="module")
def more_functionals(corpus, tiny, tmp_path_factory, pooled_store):
    path = tmp_path_factory.mktemp("more") / "emodb.zarr"
    options = {"functionals": ("max", "q25"), "context": "fit", "dtype": "float32"}
    return pooled_store(corpus, path, tiny / "tiny-whisper", tiny / "tiny-bert", **options)


@pytest.fixture(scope="module")
def manifest(corpus, more_functionals):
    path = corpus / "manifest.csv"
    more_functionals.utterances[["path", "speaker", "transcript"]].to_csv(path)
    return path


def test_averages_and_other_functionals(more_functionals, manifest, fit_by_hand):
    model = fit_by_hand(
        more_functionals,
        "tiny-whisper/layer-2:max:mean:q25 + tiny-bert/word",
        "tiny-bert/contextual",
    )
    wanted = model.predict_store(more_functionals)
    found = predict_all(model, manifest)
    got = found.table.set_index("id")[list(wanted.columns)]
    pd.testing.assert_frame_equal(got, wanted, check_exact=True)
    assert list(found.quarantined) == ["08b02Na"]


def test_numbers_are_predicted_too(more_functionals, manifest, fit_by_hand):
    model = fit_by_hand(more_functionals, "tiny-whisper/layer-2", task="regression")
    wanted = model.predict_store(more_functionals)
    found = predict_all(model, manifest)
    assert list(found.table.columns) == ["id", "start_s", "end_s", "duration"]
    pd.testing.assert_frame_equal(found.table.set_index("id")[["duration"]], wanted)


def test_transcripts_are_needed_where_text_is_read(
    corpus, more_functionals, manifest, fit_by_hand, no_encoders, monkeypatch
):
    model = fit_by_hand(more_functionals, "tiny-bert/contextual")
    monkeypatch.undo()
    path = corpus / "wav" / "03a01Fa.wav"
    with pytest.raises(InputError, match="Give --transcript for one recording"):
        predict(model, path)
    with pytest.raises(InputError, match="a model of speech alone"):
        predict(model, path, transcript="Der Lappen", window_s=1)
    text = more_functionals.utterances.loc["03a01Fa", "transcript"]
    found = predict(model, path, transcript=text)
    wanted = model.predict_store(more_functionals, ["03a01Fa"])
    np.testing.assert_array_equal(found.iloc[:, 4:], wanted.iloc[:, 1:])


def test_by_speaker_all_recordings_of_a_speaker_decide(
    more_functionals, manifest, fit_by_hand, tmp_path, monkeypatch
):
    model = fit_by_hand(more_functionals, "tiny-whisper/layer-2", standardise="speaker")
    monkeypatch.setattr(run, "CHUNK_ROWS", 7)
    found = predict_all(model, manifest, out=tmp_path / "p.csv")
    wanted = model.predict_store(more_functionals)
    got = found.table.set_index("id")[list(wanted.columns)]
    assert got["label"].tolist() == wanted["label"].tolist()
    np.testing.assert_allclose(got.iloc[:, 1:], wanted.iloc[:, 1:], atol=1e-5)
    with pytest.raises(SettingsError, match="--window"):
        predict(model, manifest, window_s=1)


def test_by_speaker_needs_several_recordings_of_each(
    corpus, more_functionals, manifest, fit_by_hand, no_encoders
):
    model = fit_by_hand(more_functionals, "tiny-whisper/layer-2", standardise="speaker")
    with pytest.raises(InputError, match="no speaker for"):
        predict(model, corpus / "wav")
    table = pd.read_csv(manifest, dtype=str).iloc[[0, 1, -1]]
    table.to_csv(corpus / "few.csv", index=False)
    with pytest.raises(InputError, match="one recording of 09"):
        predict(model, corpus / "few.csv")
