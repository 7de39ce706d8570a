import numpy as np
import pytest
import soundfile

from tokser.corpora.manifest import probe_recordings
from tokser.transcription.columns import COLUMNS, filled, given, lacking, languages_of
from tokser.transcription.finished import Finished
from tokser.transcription.run import transcribe_recordings
from tokser.transcription.transcript import Transcript


class Listening:
    """Stands for a Whisper: writes the length and the language of what it is given."""

    def __init__(self, stop_after=99):
        self.batches, self._left = [], stop_after

    def transcribe(self, waveforms, languages):
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self.batches.append([len(one) for one in waveforms])
        return [
            Transcript(f"{len(one)}", language or "en", 0.5)
            for one, language in zip(waveforms, languages, strict=True)
        ]


class Transcriber:
    """Stands for what loads a Whisper."""

    def __init__(self, **how):
        self.model = Listening(**how)

    def identity(self):
        return {"model": "listening", "revision": "", "weights_sha256": "0" * 64}


LENGTHS = (3_000, 500_000, 9_000, 5_000, 7_000)


@pytest.fixture
def manifest(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number, length in enumerate(LENGTHS):
        wave = rng.normal(0, 0.1, (length, 2))
        soundfile.write(tmp_path / f"{number}.wav", wave, 16_000)
        cells = dict.fromkeys(("speaker", "sex", "session", "label"), "")
        row = {"id": f"u{number}", "path": f"{number}.wav", **cells}
        rows.append(row | {"language": "de" if number else "xx", "transcript": ""})
    return probe_recordings("toy", tmp_path, rows)


def everything(manifest):
    return languages_of(manifest.table, list(manifest.table.index), None)


def test_batches_are_sorted_by_length_and_long_ones_alone(manifest):
    transcriber = Transcriber()
    done = transcribe_recordings(transcriber, manifest, everything(manifest), batch_seconds=90)
    assert transcriber.model.batches == [[500_000], [9_000, 7_000, 5_000], [3_000]]
    assert {name: int(one.text) for name, one in done.transcripts.items()} == {
        f"u{i}": length for i, length in enumerate(LENGTHS)
    }


def test_an_unknown_language_is_detected_with_a_warning(manifest, caplog):
    assert everything(manifest)["u0"] is None
    assert everything(manifest)["u1"] == "de"
    assert "language xx: not known to Whisper" in caplog.text


def test_what_was_finished_before_an_interruption_is_used(manifest, tmp_path):
    path, how = tmp_path / "t.jsonl", {"batch_seconds": 60}
    with pytest.raises(KeyboardInterrupt), Finished(path).begun() as finished:
        transcribe_recordings(
            Transcriber(stop_after=2), manifest, everything(manifest), finished=finished, **how
        )
    again = Transcriber()
    with Finished(path).begun() as finished:
        done = transcribe_recordings(
            again, manifest, everything(manifest), finished=finished, **how
        )
    assert again.model.batches == [[5_000, 3_000]]
    assert len(done.transcripts) == 5


def test_another_recording_language_or_model_is_done_anew(manifest, tmp_path):
    languages = everything(manifest)
    with Finished(tmp_path / "t.jsonl").begun() as finished:
        transcribe_recordings(Transcriber(), manifest, languages, finished=finished)
        soundfile.write(tmp_path / "2.wav", np.zeros(9_000), 16_000)
        again = Transcriber()
        changed = languages | {"u3": "en"}
        transcribe_recordings(again, manifest, changed, finished=finished)
        assert again.model.batches == [[9_000, 5_000]]
        other = Transcriber()
        other.identity = lambda: {"model": "another"}
        transcribe_recordings(other, manifest, languages, finished=finished)
        assert sum(map(len, other.model.batches)) == 5


def test_parts_and_channels_are_read_alone(manifest):
    table = manifest.table.assign(start_s="0.1", end_s="0.15", channel="1").loc[["u0", "u2"]]
    table["num_samples"] = 800
    parts = type(manifest)(manifest.dataset, manifest.root, table, ())
    transcriber = Transcriber()
    transcribe_recordings(transcriber, parts, dict.fromkeys(table.index))
    assert transcriber.model.batches == [[800, 800]]


def test_what_cannot_be_read_is_quarantined(manifest, tmp_path):
    (tmp_path / "3.wav").write_bytes(b"no audio")
    (tmp_path / "4.wav").unlink()
    done = transcribe_recordings(Transcriber(), manifest, everything(manifest))
    assert sorted(done.transcripts) == ["u0", "u1", "u2"]
    assert "not audio" in done.quarantined["u3"]
    assert "No such file" in done.quarantined["u4"]


def test_a_transcript_that_is_there_is_never_changed(manifest):
    manifest.table.loc["u1", "transcript"] = "as it was said"
    assert lacking(manifest.table) == ["u0", "u2", "u3", "u4"]
    made = {name: Transcript("by machine", "de", 0.25) for name in manifest.table.index}
    found = filled(manifest, made, Transcriber())
    assert found.table["transcript"].to_list().count("by machine") == 4
    assert found.table.loc["u1", "transcript"] == "as it was said"
    assert found.table.loc["u1", list(COLUMNS)].eq("").all()
    assert found.table.loc["u0", "transcript_confidence"] == "0.2500"
    assert given(found.table) == ["u1"]
    assert lacking(found.table) == []
    assert list(manifest.table.columns) == [
        one for one in found.table.columns if one not in COLUMNS
    ]
