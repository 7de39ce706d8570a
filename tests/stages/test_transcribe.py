"""`tokser transcribe` as docs/transcribe.md shows it."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.transcription.whisper import Whisper

NEW = ["transcript_source", "transcript_revision", "transcript_weights_sha256"]
NEW += ["transcript_language", "transcript_confidence", "transcript_note"]


def call(*words):
    return CliRunner().invoke(main, [*map(str, words)])


@pytest.fixture
def mine(tmp_path):
    """Six recordings of noise, two of them with a transcript, one broken."""
    rng = np.random.default_rng(0)
    lines = ["path,speaker,transcript,age,language"]
    for number in range(6):
        wave = rng.normal(0, 0.1, 8_000 + 1_000 * number)
        soundfile.write(tmp_path / f"{number}.wav", wave, 16_000)
        said = f"Satz {number}" if number < 2 else ""
        lines.append(f"{number}.wav,s{number},{said},0{number},de")
    (tmp_path / "5.wav").write_bytes(b"no audio")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "mine.csv"
    table = ("--table", tmp_path / "table.csv", "--unlabelled")
    assert call("manifest", "csv", "--root", tmp_path, *table, "-o", out).exit_code == 3
    return out


def read(path):
    return pd.read_csv(path, index_col="id", dtype=str, keep_default_na=False)


def test_what_is_missing_is_filled_and_nothing_else_changes(mine, tiny_transcriber, tmp_path):
    before = mine.read_bytes()
    words = ("transcribe", mine, "--encoder", tiny_transcriber)
    done = call(*words)
    assert done.exit_code == 3, done.output
    assert "3 transcripts ->" in " ".join(done.output.split())
    assert "1 utterances in quarantine" in done.output
    assert mine.read_bytes() == before
    old, new = read(mine), read(tmp_path / "mine.transcribed.csv")
    assert list(new.columns) == [*old.columns, *NEW]
    pd.testing.assert_frame_equal(
        new[old.columns].drop(columns="transcript"), old.drop(columns="transcript")
    )
    assert new["transcript"].to_list()[:2] == ["Satz 0", "Satz 1"]
    assert new.loc[["0", "1", "5"], NEW].eq("").all(axis=None)
    made = new.loc[["2", "3", "4"]]
    assert made["transcript"].ne("").all()
    assert made["transcript_source"].eq("tiny-transcriber").all()
    assert made["transcript_language"].eq("de").all()
    assert made["transcript_confidence"].astype(float).between(0, 1).all()
    content = (tmp_path / "mine.transcribed.csv").read_bytes()
    assert call(*words).exit_code == 3
    assert (tmp_path / "mine.transcribed.csv").read_bytes() == content


def test_python_writes_what_the_command_writes(mine, tiny_transcriber, tmp_path):
    call("transcribe", mine, "--encoder", tiny_transcriber)
    other = tmp_path / "python.csv"
    done = tokser.transcribe(mine, encoder=tiny_transcriber, out=other)
    assert done.out == other
    assert other.read_bytes() == (tmp_path / "mine.transcribed.csv").read_bytes()
    assert set(done.transcripts) == {"2", "3", "4"}
    assert set(done.quarantined) == {"5"}


def test_ctrl_c_loses_no_finished_batch(mine, tiny_transcriber, tmp_path, monkeypatch):
    transcribe, batches = Whisper.transcribe, []

    def counted(self, waveforms, languages):
        if len(batches) == 2:
            raise KeyboardInterrupt
        batches.append(len(waveforms))
        return transcribe(self, waveforms, languages)

    monkeypatch.setattr(Whisper, "transcribe", counted)
    words = ("transcribe", mine, "--encoder", tiny_transcriber, "--batch-seconds", "30")
    stopped = call(*words)
    assert stopped.exit_code == 1
    assert "What is done is kept" in stopped.output
    assert not (tmp_path / "mine.transcribed.csv").exists()
    batches.clear()
    done = call(*words)
    assert done.exit_code == 3, done.output
    assert batches == [1]
    assert "2 of 3 transcripts were finished before" in done.output
    assert read(tmp_path / "mine.transcribed.csv")["transcript_source"].ne("").sum() == 3


def test_a_manifest_that_grew_costs_only_what_is_new(mine, tiny_transcriber, tmp_path):
    words = ("transcribe", mine, "--encoder", tiny_transcriber, "--json")
    assert call(*words).exit_code == 3
    table = read(mine)
    table.loc["0", "transcript"] = ""
    table.to_csv(mine)
    done = call(*words)
    assert "3 of 4 transcripts were finished before" in done.stderr
    assert len(json.loads(done.stdout)["transcripts"]) == 4


def test_check_compares_with_what_was_given(mine, tiny_transcriber, tmp_path):
    words = ("transcribe", mine, "--encoder", tiny_transcriber, "--check", "--json")
    content = json.loads(call(*words).stdout)
    assert content["errors"]["num_utterances"] == 2
    assert content["errors"]["units"] == "utterances"
    assert content["errors"]["wer"]["value"] > 0
    assert read(tmp_path / "mine.transcribed.csv")["transcript"].to_list()[:2] == [
        *("Satz 0", "Satz 1"),
    ]
    errors = pd.read_csv(content["errors"]["out"])
    assert errors["transcript"].to_list() == ["satz 0", "satz 1"]
    shown = call(*words[:-1], "--check-most", "1")
    assert "1 transcripts compared" in " ".join(shown.output.split())
    assert "fewer than 4 units" in " ".join(shown.output.split())


def test_transcripts_by_machine_are_not_checked(mine, tiny_transcriber, tmp_path):
    encoder = ("--encoder", tiny_transcriber)
    assert call("transcribe", mine, *encoder).exit_code == 3
    filled = tmp_path / "mine.transcribed.csv"
    words = ("transcribe", filled, *encoder, "--out", tmp_path / "next.csv", "--check", "--json")
    assert json.loads(call(*words).stdout)["errors"]["num_utterances"] == 2


def test_a_file_that_somebody_corrected_is_not_replaced(mine, tiny_transcriber, tmp_path):
    words = ("transcribe", mine, "--encoder", tiny_transcriber)
    assert call(*words).exit_code == 3
    out = tmp_path / "mine.transcribed.csv"
    out.write_text(out.read_text().replace("tiny-transcriber", "me"))
    corrected = out.read_bytes()
    done = call(*words)
    assert done.exit_code == 2
    assert "did not write, or that was changed since" in " ".join(done.output.split())
    assert out.read_bytes() == corrected
    done = call(*words, "--out", mine)
    assert done.exit_code == 2
    assert "MANIFEST itself, which is never changed" in " ".join(done.output.split())


def test_wrong_models_and_languages_are_refused(mine, tiny, tmp_path, tiny_transcriber):
    done = call("transcribe", mine, "--encoder", tiny / "tiny-wavlm")
    assert done.exit_code == 2
    assert "Name a whole Whisper with --encoder" in " ".join(done.output.split())
    words = ("transcribe", mine, "--encoder", tiny_transcriber, "--language")
    assert "Leave it out: Whisper detects it" in " ".join(call(*words, "zzzzzz").output.split())
    done = call(*words, "french")
    assert done.exit_code == 2
    assert "a language that tiny-transcriber knows" in " ".join(done.output.split())
    assert not (tmp_path / "mine.transcribed.csv").exists()


def test_nothing_missing_writes_nothing(mine, tiny_transcriber, tmp_path):
    table = read(mine)
    table["transcript"] = "Satz"
    table.to_csv(mine)
    done = call("transcribe", mine, "--encoder", tiny_transcriber)
    assert done.exit_code == 0, done.output
    assert "no transcript is missing" in done.output
    assert not (tmp_path / "mine.transcribed.csv").exists()
