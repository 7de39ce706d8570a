import csv
from pathlib import Path

import pytest

from tokser.corpora.completeness import completeness
from tokser.corpora.iemocap import list_turns
from tokser.errors import CorpusError

KNOWN = Path(__file__).parents[2] / "data_manifests"
SESSIONS = {
    1: {"ang": 229, "hap": 278, "neu": 384, "sad": 194},
    2: {"ang": 137, "hap": 327, "neu": 362, "sad": 197},
    3: {"ang": 240, "hap": 286, "neu": 320, "sad": 305},
    4: {"ang": 327, "hap": 303, "neu": 258, "sad": 143},
    5: {"ang": 170, "hap": 442, "neu": 384, "sad": 245},
}
"""Classes by session of the 5,531 utterances: their sums are those of the paper's Table 1."""


@pytest.fixture
def emodb(tmp_path):
    (tmp_path / "wav").mkdir()
    (tmp_path / "erkennung.txt").write_text("")
    with (KNOWN / "emodb.csv").open() as file:
        next(file)
        for row in csv.DictReader(file):
            (tmp_path / "wav" / f"{row['id']}.wav").touch()
    return tmp_path


@pytest.fixture
def iemocap(tmp_path):
    for session, counts in SESSIONS.items():
        dialog = f"Ses{session:02d}F_impro01"
        folder = tmp_path / f"Session{session}"
        recordings = folder / "sentences" / "wav" / dialog
        recordings.mkdir(parents=True)
        labels = [label for label, count in counts.items() for _ in range(count)] + ["fru"]
        lines = [
            f"[{i}.0 - {i}.9]\t{dialog}_F{i:04d}\t{label}\t[2.5, 2.5, 2.5]"
            for i, label in enumerate(labels)
        ]
        for i in range(len(labels)):
            (recordings / f"{dialog}_F{i:04d}.wav").touch()
        evaluation = folder / "dialog" / "EmoEvaluation" / f"{dialog}.txt"
        evaluation.parent.mkdir(parents=True)
        evaluation.write_text("\n".join(lines))
    return tmp_path


def test_the_whole_emodb_lacks_nothing(emodb):
    found = completeness("emodb", emodb)
    assert (found.num_utterances, found.lacks) == (535, ())


def test_emodb_is_compared_by_name_not_by_number(emodb):
    (emodb / "wav" / "03a01Fa.wav").rename(emodb / "wav" / "03a01Fx.wav")
    (emodb / "erkennung.txt").unlink()
    assert completeness("emodb", emodb).lacks == (
        "1 of 535 recordings missing (03a01Fa)",
        "1 recordings that are not EmoDB's (03a01Fx)",
        "no erkennung.txt, which `--subset recognised` needs",
    )


def test_the_whole_iemocap_lacks_nothing(iemocap):
    found = completeness("iemocap", iemocap)
    assert (found.num_utterances, found.lacks) == (5531, ())


def test_iemocap_is_counted_by_session_label_and_recording(iemocap):
    evaluation = iemocap / "Session2/dialog/EmoEvaluation/Ses02F_impro01.txt"
    lines = evaluation.read_text().split("\n")
    evaluation.write_text("\n".join(lines[10:]))
    (iemocap / list_turns(iemocap)[0]["path"]).unlink()
    assert completeness("iemocap", iemocap).lacks == (
        "Session2: 1,013 of 1,023 utterances",
        "anger: 1,093 of 1,103 utterances",
        "no recording of 1 in sentences/wav (Ses01F_impro01_F0000)",
    )


def test_a_missing_session_of_iemocap_is_named(iemocap):
    (iemocap / "Session5").rename(iemocap / "Session6")
    assert "Session5: 0 of 1,241 utterances" in completeness("iemocap", iemocap).lacks


def test_a_malformed_iemocap_is_no_count(iemocap):
    evaluation = iemocap / "Session2/dialog/EmoEvaluation/Ses02F_impro01.txt"
    evaluation.write_text("[1.0 - 2.0] nonsense")
    with pytest.raises(CorpusError, match="nonsense"):
        completeness("iemocap", iemocap)


def test_librispeech_is_counted_by_split(tmp_path):
    for split, number in (("dev-clean", 2703), ("dev-other", 3), ("my-own", 2)):
        chapter = tmp_path / "LibriSpeech" / split / "84" / "121123"
        chapter.mkdir(parents=True)
        for i in range(number):
            (chapter / f"84-121123-{i:04d}.flac").touch()
        (chapter / "._84-121123-0000.flac").touch()
    found = completeness("librispeech", tmp_path)
    assert found.num_utterances == 2708
    assert found.parts == "dev-clean, dev-other, my-own"
    assert found.lacks == ("dev-other: 3 of 2,864 recordings",)
