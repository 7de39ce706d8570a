"""Corpora as they lie on disks: ends in capitals, copies, sessions and transcripts missing."""

import numpy as np
import pytest
import soundfile

from tokser.corpora import iemocap, librispeech
from tokser.corpora.registry import looks_like, scan_corpus
from tokser.errors import MissingInputError


def record(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix[1:].upper()
    soundfile.write(path, np.zeros(160), 16_000, format=kind)


def said(capsys):
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("end", [".WAV", ".Wav"])
def test_emodb_s_recordings_may_end_in_capitals(tmp_path, end):
    record(tmp_path / "wav" / f"03a01Wa{end}")
    (tmp_path / "Erkennung.txt").write_bytes(f"Nr\n1\t03a01Wa{end}\t90,5\t80\n".encode())
    assert "emodb" in looks_like(tmp_path)
    manifest = scan_corpus("emodb", tmp_path, subset="recognised")
    assert list(manifest.table["path"]) == [f"wav/03a01Wa{end}"]
    assert manifest.table.loc["03a01Wa", "recognition_percent"] == 90.5


def test_files_next_to_emodb_s_are_counted_and_reported(tmp_path, capsys):
    record(tmp_path / "wav" / "03a01Wa.wav")
    for name in ("notes.txt", "03a01Wa.mp3", "._03a01Wa.wav"):
        (tmp_path / "wav" / name).touch()
    assert len(scan_corpus("emodb", tmp_path).table) == 1
    text = "ignoring 2 files that are not recordings (.wav): wav/03a01Wa.mp3, wav/notes.txt"
    assert text in said(capsys)


def test_a_copy_of_the_listening_test_is_reported(tmp_path, capsys):
    record(tmp_path / "wav" / "03a01Wa.wav")
    (tmp_path / "erkennung (1).txt").write_text("Nr\n1\t03a01Wa.wav\t90,5\t80\n")
    with pytest.raises(MissingInputError):
        scan_corpus("emodb", tmp_path, subset="recognised")
    assert "no erkennung.txt; if erkennung (1).txt" in said(capsys)


def test_librispeech_may_end_in_capitals_too(tmp_path, capsys):
    chapter = tmp_path / "dev-clean" / "84" / "121123"
    record(chapter / "84-121123-0000.Flac")
    (chapter / "84-121123.TRANS.TXT").write_text("84-121123-0000 GO ON\n")
    (chapter / "84-121123.trans (1).txt").write_text("84-121123-0000 NO\n")
    manifest = librispeech.scan(tmp_path)
    assert list(manifest.table["transcript"]) == ["GO ON"]
    assert librispeech.count_recordings(tmp_path / "dev-clean") == 1
    assert "ignoring 1 file that is not recordings or transcripts" in said(capsys)


def test_a_chapter_without_transcripts_is_reported(tmp_path, capsys):
    for chapter in ("1", "2"):
        record(tmp_path / "dev-clean" / "84" / chapter / f"84-{chapter}-0000.flac")
    (tmp_path / "dev-clean/84/1/84-1.trans.txt").write_text("84-1-0000 GO ON\n")
    librispeech.scan(tmp_path)
    assert "no transcript of 1 chapters (84/2)" in said(capsys)


def dialog(root, session, name, *, copy=False, end=".wav", transcribed=True):
    folder = root / session
    turn = f"{name}_F000"
    record(folder / "sentences" / "wav" / name / f"{turn}{end}")
    for part in ("EmoEvaluation", "transcriptions"):
        (folder / "dialog" / part).mkdir(parents=True, exist_ok=True)
    line = f"[6.2901 - 8.2357]\t{turn}\tneu\t[2.5000, 3.0000, 3.5000]\n"
    evaluations = folder / "dialog" / "EmoEvaluation"
    (evaluations / f"{name}.txt").write_text(line)
    if copy:
        (evaluations / f"{name} (1).txt").write_text(line)
    if transcribed:
        text = f"{turn} [006.2901-008.2357]: Excuse me.\n"
        (folder / "dialog" / "transcriptions" / f"{name}.txt").write_text(text)


@pytest.mark.parametrize("session", ["session1", "SESSION1", "Session1"])
@pytest.mark.parametrize("end", [".wav", ".WAV"])
def test_iemocap_s_sessions_may_be_written_otherwise(tmp_path, capsys, session, end):
    dialog(tmp_path, session, "Ses01F_impro01", end=end, copy=True)
    assert iemocap.recognises(tmp_path)
    manifest = iemocap.scan(tmp_path)
    assert not manifest.faults
    assert list(manifest.table["session"]) == ["1"]
    lines = said(capsys)
    assert "no annotations of session 2, 3, 4, 5" in lines
    assert "ignoring 1 file that is not annotations of a dialog" in lines
    assert "Ses01F_impro01 (1).txt" in lines


def test_a_dialog_without_transcripts_is_reported(tmp_path, capsys):
    for session in range(1, 6):
        transcribed = session != 3
        dialog(tmp_path, f"Session{session}", f"Ses0{session}F_impro01", transcribed=transcribed)
    assert len(iemocap.scan(tmp_path).table) == 5
    lines = said(capsys)
    assert "no transcript of 1 dialogs (Ses03F_impro01)" in lines
    assert "no annotations" not in lines
