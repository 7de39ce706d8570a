"""`tokser predict` and `tokser export-model` as they are called."""

import json
import shutil

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from tokser.cli import main
from tokser.config import ExtractSettings, FitSettings, PoolSettings
from tokser.stages.extract import extract
from tokser.stages.fit import fit
from tokser.stages.pool import pool
from tokser.store import open_store


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny, write_noise_emodb):
    """Recordings of three speakers, and the folder of a model that was fitted on them."""
    folder = tmp_path_factory.mktemp("predict")
    write_noise_emodb(folder)
    for path in (folder / "wav").glob("??b02?a.wav"):
        path.unlink()
    store = str(folder / "emodb.zarr")
    encoders = (str(tiny / "tiny-whisper"),)
    extract(ExtractSettings(dataset="emodb", root=folder, store=store, encoders=encoders))
    pool(PoolSettings(store=store))
    fit(
        FitSettings(
            dataset="emodb",
            store=store,
            features="tiny-whisper/layer-2",
            head="logreg",
            out=folder / "model",
            ledger=folder / "ledger.jsonl",
        )
    )
    return folder


def call(*words, **how):
    return CliRunner().invoke(main, [*map(str, words)], **how)


def test_a_few_files_are_a_table_or_json(place):
    files = sorted((place / "wav").iterdir())[:2]
    shown = call("predict", place / "model", *files)
    assert shown.exit_code == 0, shown.output
    assert "03a01Fa.wav" in shown.output
    assert "most probable" in shown.output
    done = call("predict", place / "model", *files, "--json")
    rows = json.loads(done.stdout)["predictions"]
    assert [row["id"] for row in rows] == list(map(str, files))
    assert sum(v for k, v in rows[0].items() if k.startswith("probability_")) == pytest.approx(1)
    assert rows[0]["end_s"] == soundfile.info(files[0]).duration


def test_a_list_on_standard_input_and_what_cannot_be_read(place, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    lines = f"{place}/wav/03a01Fa.wav\n{tmp_path}/broken.wav\n"
    out = tmp_path / "p.csv"
    done = call("predict", place / "model", "-", "--out", out, input=lines)
    assert done.exit_code == 3, done.output
    assert f"1 predictions -> {out}" in done.output
    assert "1 utterances in quarantine" in done.output
    assert len(pd.read_csv(out)) == 1
    assert "not audio" in (tmp_path / "p.quarantined.csv").read_text()
    again = call("predict", place / "model", "-", "--out", out, input=lines)
    assert again.exit_code == 3
    assert "already done" in again.output


def test_windows_and_their_picture(place, tmp_path):
    path = place / "wav" / "03a01Fa.wav"
    words = ("predict", place / "model", path, "--window", "0.3", "--hop", "0.1")
    done = call(*words, "--plot", tmp_path / "t.html", "--out", tmp_path / "t.jsonl")
    assert done.exit_code == 0, done.output
    assert "timeline ->" in done.output
    assert "<audio" in (tmp_path / "t.html").read_text()
    rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [row["start_s"] for row in rows[:3]] == [0.0, 0.1, 0.2]
    assert rows[-1]["end_s"] == soundfile.info(path).duration


def test_a_folder_that_is_no_model_and_one_of_a_later_format(place, tmp_path):
    done = call("predict", place / "wav", place / "wav")
    assert done.exit_code == 2
    assert "Error: " in done.output
    assert "Traceback" not in done.output
    shutil.copytree(place / "model", tmp_path / "model")
    document = tmp_path / "model" / "model.json"
    document.write_text(document.read_text().replace('"format": 1', '"format": 7'))
    done = call("predict", tmp_path / "model", place / "wav")
    assert done.exit_code in (1, 2)
    assert "Error: " in done.output
    assert "Traceback" not in done.output


def test_a_model_folder_that_cannot_be_written_to_is_read(place, tmp_path):
    shutil.copytree(place / "model", tmp_path / "model")
    for path in [*(tmp_path / "model").iterdir(), tmp_path / "model"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(path.name for path in (tmp_path / "model").iterdir())
    done = call("predict", tmp_path / "model", place / "wav" / "03a01Fa.wav", "--json")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == before


def test_export_writes_head_and_encoder_that_give_the_same(place, tmp_path, tiny):
    out = tmp_path / "emodb.onnx"
    done = call("export-model", place / "model", "--out", out, "--with-encoder")
    assert done.exit_code == 0, done.output
    assert "onnxruntime differs by" in done.output
    store = open_store(place / "emodb.zarr")
    values = store.functionals("tiny-whisper/layer-2").to_numpy()
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"tiny_whisper_layer_2": values})
    wanted = call("predict", place / "model", place / "emodb.zarr", "--json")
    rows = pd.DataFrame(json.loads(wanted.stdout)["predictions"]).filter(like="probability_")
    np.testing.assert_allclose(found, rows.to_numpy(), atol=1e-5)
    encoder = onnxruntime.InferenceSession(
        tmp_path / "emodb.encoder.onnx", providers=["CPUExecutionProvider"]
    )
    assert [one.name for one in encoder.get_outputs()] == ["layer_2"]
    (frames,) = encoder.run(None, {"log_mel": log_mel(place / "wav" / "03a01Fa.wav")})
    stored = store["tiny-whisper/layer-2"]["03a01Fa"]
    np.testing.assert_allclose(frames[0, : len(stored)], stored, atol=2e-3)


def log_mel(path):
    from transformers import WhisperFeatureExtractor

    samples, rate = soundfile.read(path, dtype="float32")
    made = WhisperFeatureExtractor(feature_size=80)(samples, sampling_rate=rate)
    return np.asarray(made.input_features, dtype=np.float32)
