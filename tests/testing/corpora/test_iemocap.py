import itertools
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tokser.corpora.registry import scan_corpus
from tokser.testing.corpora.iemocap import write_iemocap

pytest.importorskip("espeakng_loader")

TURN = re.compile(
    r"\[(\d+\.\d{4}) - (\d+\.\d{4})\]\t(Ses(\d\d)[FM]_\w+_[FM]\d{3})\t(\w{3})\t"
    r"\[(\d\.\d{4}), (\d\.\d{4}), (\d\.\d{4})\]"
)


def turns(root: Path) -> dict[str, re.Match[str]]:
    found = {}
    for path in root.glob("Session*/dialog/EmoEvaluation/[!.]*.txt"):
        for line in path.read_text().splitlines():
            if match := TURN.fullmatch(line):
                found[match[3]] = match
    return found


def test_labels_of_the_four_classes_are_dealt_evenly(iemocap_root: Path):
    found = turns(iemocap_root)
    assert Counter(m[5] for m in found.values()) == {
        "ang": 40,
        "hap": 20,
        "exc": 20,
        "neu": 40,
        "sad": 40,
        "fru": 10,
        "xxx": 10,
    }
    usable = [m for m in found.values() if m[5] not in {"fru", "xxx"}]
    assert Counter(m[4] + m[3].rpartition("_")[2][0] for m in usable) == {
        f"0{session}{letter}": 16 for session in range(1, 6) for letter in "FM"
    }


def test_every_turn_has_its_recording_and_no_other_is_there(iemocap_root: Path):
    files = {path.stem: path for path in iemocap_root.glob("Session*/sentences/wav/*/*.wav")}
    assert files.keys() == turns(iemocap_root).keys()
    for name, path in files.items():
        info = soundfile.info(path)
        assert (info.format, info.subtype, info.samplerate) == ("WAV", "PCM_16", 16_000)
        assert path.parent.name == name.rpartition("_")[0]
        assert path.parents[3].name == f"Session{int(name[3:5])}"


def test_times_follow_each_other_and_fit_the_recordings(iemocap_root: Path):
    dialogues = defaultdict(list)
    for name, match in turns(iemocap_root).items():
        start_s, end_s = float(match[1]), float(match[2])
        dialogues[name.rpartition("_")[0]].append((start_s, end_s))
        path = next(iemocap_root.glob(f"Session*/sentences/wav/*/{name}.wav"))
        assert end_s - start_s == pytest.approx(soundfile.info(path).duration, abs=2e-4)
    assert len(dialogues) == 20
    for times in dialogues.values():
        assert times == sorted(times)
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(times))


def test_dimensions_fit_the_emotions(iemocap_root: Path):
    rated = defaultdict(list)
    for match in turns(iemocap_root).values():
        rated[match[5]].append([float(match[column]) for column in (6, 7, 8)])
    valence, activation, dominance = range(3)
    mean = {label: np.mean(values, axis=0) for label, values in rated.items()}
    assert mean["hap"][valence] > mean["neu"][valence] > mean["ang"][valence]
    assert mean["ang"][activation] > mean["neu"][activation] > mean["sad"][activation]
    assert mean["ang"][dominance] > mean["sad"][dominance]
    assert all(1 <= value <= 5 for rows in rated.values() for row in rows for value in row)


def test_raters_lines_and_a_blank_line_follow_every_turn(iemocap_root: Path):
    path = iemocap_root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    header, *blocks = path.read_text().removesuffix("\n\n").split("\n\n")
    assert header == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
    assert len(blocks) == 9
    for block in blocks:
        kinds = [line[:2] for line in block.splitlines()]
        assert kinds == ["[" + block[1], "C-", "C-", "C-", "A-", "A-"]


def test_every_turn_is_transcribed(iemocap_root: Path):
    said = {}
    for path in iemocap_root.glob("Session*/dialog/transcriptions/*.txt"):
        for line in path.read_text().splitlines():
            if match := re.fullmatch(r"(Ses\S+) \[\d{3}\.\d{4}-\d{3}\.\d{4}\]: (.+)", line):
                said[match[1]] = match[2]
    overlapping = {name for name in said if "XX" in name}
    assert len(overlapping) == 20
    assert said.keys() - overlapping == turns(iemocap_root).keys()
    assert len({said[name] for name in turns(iemocap_root)}) == 180


def test_the_traps_of_the_corpus_are_there(iemocap_root: Path):
    for session in iemocap_root.glob("Session*"):
        evaluation = session / "dialog" / "EmoEvaluation"
        assert len(list(evaluation.glob("._*.txt"))) == 4
        assert len(list((evaluation / "Categorical").glob("*_e2_cat.txt"))) == 4
        content = next(evaluation.glob("._*.txt")).read_bytes()
        with pytest.raises(UnicodeDecodeError):
            (content + b"\xb0").decode()
        for path in (session / "dialog" / "transcriptions").iterdir():
            assert "_MXX0 [" in path.read_text()
            assert path.read_text().endswith("F: [LAUGHTER]\n")


def test_scanner_reads_the_corpus(iemocap_root: Path):
    manifest = scan_corpus("iemocap", iemocap_root)
    assert not manifest.faults
    assert manifest.table["label"].value_counts().to_dict() == {
        "anger": 40,
        "happiness": 40,
        "neutral": 40,
        "sadness": 40,
        "": 20,  # rated turns of other classes
    }
    assert manifest.table["speaker"].value_counts().to_dict() == {
        f"Ses0{session}{letter}": 18 for session in range(1, 6) for letter in "FM"
    }
    assert (manifest.table["transcript"] != "").all()
    assert manifest.table[["valence", "arousal", "dominance"]].notna().all(axis=None)


@pytest.mark.slow
def test_two_writes_give_equal_bytes(iemocap_root: Path, tmp_path: Path, contents):
    write_iemocap(tmp_path)
    assert contents(tmp_path) == contents(iemocap_root)
