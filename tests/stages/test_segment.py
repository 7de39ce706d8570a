"""`tokser manifest segment` as docs/transcribe.md shows it."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from tokser.cli import main


def call(*words):
    return CliRunner().invoke(main, [*map(str, words)])


@pytest.fixture
def talk(real_data, tmp_path):
    """A recording of two sentences with pauses around them, and its manifest."""
    silence = np.zeros(32_000, dtype=np.float32)
    parts = [silence]
    for path in sorted((real_data / "data" / "LibriSpeech").rglob("*.flac"))[:2]:
        parts += [soundfile.read(path, dtype="float32")[0], silence]
    soundfile.write(tmp_path / "talk.wav", np.concatenate(parts), 16_000)
    soundfile.write(tmp_path / "hum.wav", np.zeros(32_000), 16_000)
    table = "path,speaker,label\ntalk.wav,anna,calm\nhum.wav,ben,calm\n"
    (tmp_path / "table.csv").write_text(table)
    out = tmp_path / "talks.csv"
    done = call("manifest", "csv", "--root", tmp_path, "--table", tmp_path / "table.csv", "-o", out)
    assert done.exit_code == 0, done.output
    return out


def test_speech_becomes_rows_that_can_be_extracted(talk, tmp_path, tiny):
    before, out = talk.read_bytes(), tmp_path / "segments.csv"
    done = call("manifest", "segment", talk, "--vad", "--out", out, "--threshold", "0.45")
    assert done.exit_code == 0, done.output
    assert "1 utterances without speech are left out: hum" in done.output
    table = pd.read_csv(out, index_col="id", keep_default_na=False)
    assert list(table.index) == [f"talk-000{n}" for n in range(1, len(table) + 1)]
    assert len(table) >= 2
    assert table["speaker"].eq("anna").all()
    assert table["label"].eq("").all()
    assert table["start_s"].iloc[0] > 1.5
    about = json.loads((tmp_path / "segments.csv.provenance.json").read_text())
    assert about["settings"]["threshold"] == 0.45
    assert about["without_speech"] == ["hum"]
    assert talk.read_bytes() == before
    store = tmp_path / "talks.zarr"
    done = call(
        *("extract", "--dataset", "talks", "--manifest", out, "--root", tmp_path),
        *("--encoder", tiny / "tiny-whisper", "--store", store, "--context", "fit"),
    )
    assert done.exit_code == 0, done.output


def test_windows_are_cut_without_a_detector(talk, tmp_path):
    words = ("--every", "4", "--overlap", "1", "--keep-labels", "--json")
    done = call("manifest", "segment", talk, *words, "--out", tmp_path / "w.csv")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    table = pd.read_csv(tmp_path / "w.csv")
    assert content["counts"][-1]["num_utterances"] == len(table)
    assert table["start_s"].to_list()[:3] == [0.0, 0.0, 3.0]
    assert table["label"].eq("calm").all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected one way to cut: --vad or --every SECONDS, got none"),
        (("--vad", "--every", "3"), "got both"),
        (("--every", "3", "--overlap", "3"), "less than --every"),
        (("--vad", "--threshold", "2"), "threshold = 2"),
    ],
)
def test_wrong_calls_are_refused_and_nothing_is_written(talk, tmp_path, words, message):
    done = call("manifest", "segment", talk, *words, "--out", tmp_path / "w.csv")
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "w.csv").exists()
    done = call("manifest", "segment", talk, "--every", "3", "--out", talk)
    assert done.exit_code == 2
    assert "another file than MANIFEST" in " ".join(done.output.split())


def test_recordings_that_cannot_be_read_exit_with_3(talk, tmp_path):
    (tmp_path / "hum.wav").write_bytes(b"no audio")
    done = call("manifest", "segment", talk, "--vad", "--out", tmp_path / "w.csv")
    assert done.exit_code == 3
    assert "1 utterances in quarantine" in done.output
