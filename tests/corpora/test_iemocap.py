from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from tokser.corpora.iemocap import recognises, scan
from tokser.corpora.registry import class_names
from tokser.errors import CorpusError, ManifestError

KNOWN = Path(__file__).parents[2] / "data_manifests"


def evaluation(*turns: tuple[str, str]) -> str:
    text = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    for name, label in turns:
        text += f"[6.2901 - 8.2357]\t{name}\t{label}\t[2.5000, 3.0000, 3.5000]\n"
        text += "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
    return text


def add_dialog(root: Path, session: int, dialog: str, turns: dict[str, str]) -> None:
    names = {f"{dialog}_{last}": label for last, label in turns.items()}
    folder = root / f"Session{session}"
    for part in ("dialog/EmoEvaluation", "dialog/transcriptions", f"sentences/wav/{dialog}"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        soundfile.write(folder / f"sentences/wav/{dialog}/{name}.wav", np.zeros(160), 16_000)
    (folder / f"dialog/EmoEvaluation/{dialog}.txt").write_text(evaluation(*names.items()))
    lines = [f"{name} [006.2901-008.2357]: Words of {name}.\n" for name in names]
    transcripts = folder / f"dialog/transcriptions/{dialog}.txt"
    transcripts.write_text("M: [BREATHING]\n" + "".join(lines))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add_dialog(tmp_path, 1, "Ses01F_impro01", {"F000": "neu", "M000": "exc", "M001": "fru"})
    add_dialog(tmp_path, 5, "Ses05M_script01_1b", {"F010": "ang", "M011": "sad", "FXX0": "neu"})
    return tmp_path


def test_a_turn_says_who_spoke_and_how_it_was_rated(root: Path) -> None:
    row = scan(root).table.loc["Ses05M_script01_1b_F010"]
    assert row.to_dict() == {
        "path": "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_F010.wav",
        "num_samples": 160,
        "sampling_rate_hz": 16_000,
        "speaker": "Ses05F",
        "sex": "f",
        "session": "5",
        "language": "en",
        "transcript": "Words of Ses05M_script01_1b_F010.",
        "label": "anger",
        "valence": 2.5,
        "arousal": 3.0,
        "dominance": 3.5,
    }


def test_the_speaker_is_the_letter_of_the_last_field(root: Path) -> None:
    speakers = scan(root).table["speaker"].to_dict()
    assert speakers["Ses01F_impro01_F000"] == "Ses01F"
    assert speakers["Ses01F_impro01_M000"] == "Ses01M"
    assert speakers["Ses05M_script01_1b_M011"] == "Ses05M"


def test_excited_is_happy_and_other_turns_have_no_label(tmp_path: Path) -> None:
    labels = ["ang", "hap", "exc", "neu", "sad", "fru", "fea", "sur", "dis", "oth", "xxx"]
    turns = {f"F{number:03}": label for number, label in enumerate(labels)}
    add_dialog(tmp_path, 2, "Ses02F_impro03", turns)
    table = scan(tmp_path).table
    four = ["anger", "happiness", "happiness", "neutral", "sadness"]
    assert list(table["label"]) == four + [""] * 6
    assert table["valence"].notna().all()
    labelled = scan(tmp_path, subset="four-class").table
    assert list(labelled["label"]) == four and set(four) == set(class_names("iemocap"))


def test_turns_of_nobody_are_left_out(root: Path) -> None:
    assert not [name for name in scan(root).table.index if "XX" in name]


def test_resource_forks_and_subfolders_are_left_out(root: Path) -> None:
    folder = root / "Session1" / "dialog" / "EmoEvaluation"
    (folder / "._Ses01F_impro01.txt").write_bytes(b"[\x00\x05\x16\x07")
    (folder / "Categorical").mkdir()
    (folder / "Categorical" / "Ses01F_impro02_e1_cat.txt").write_text(
        evaluation(("Ses01F_impro02_F000", "neu"))
    )
    assert len(scan(root).table) == 5


def test_unknown_labels_and_malformed_turns_are_all_named(root: Path) -> None:
    path = root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_text(
        evaluation(("Ses01F_impro01_F000", "joy"), ("Ses01F_impro01_F001", "neu"), ("F2", "neu"))
        + "[1.0 - 2.0]\tSes01F_impro01_F003\tneu\n"
        + "[1.0 - 2.0]\tSes01F_impro01_F004\tneu\t[2.5, 2.5, 2.5.5]\n"
    )
    with pytest.raises(CorpusError) as caught:
        scan(root)
    text = str(caught.value)
    for fault in (
        "Ses01F_impro01.txt line 3: unknown label 'joy'",
        "F2",
        "line 15: '[1.0 - 2.0]",
        "line 16: '[1.0 - 2.0]",
        "turns labelled ang, dis, exc, fea, fru, hap, neu, oth, sad, sur, xxx",
    ):
        assert fault in text
    assert "F001" not in text


def test_a_recording_that_is_not_there_is_a_fault(root: Path) -> None:
    path = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    (root / path).unlink()
    (fault,) = scan(root).faults
    assert (fault.path, fault.reason) == (path, "no such file")


def test_a_dialog_without_transcripts_has_empty_ones(root: Path) -> None:
    (root / "Session1/dialog/transcriptions/Ses01F_impro01.txt").unlink()
    assert scan(root).table.loc["Ses01F_impro01_F000", "transcript"] == ""


def test_a_turn_that_is_rated_twice_is_a_manifest_error(root: Path) -> None:
    copy = root / "Session1/dialog/EmoEvaluation/Ses01F_impro01_copy.txt"
    copy.write_text(evaluation(("Ses01F_impro01_F000", "neu")))
    with pytest.raises(ManifestError, match="id Ses01F_impro01_F000 2 times"):
        scan(root)


def test_a_folder_around_the_release_is_accepted(tmp_path: Path) -> None:
    around = tmp_path / "Bücher"
    add_dialog(around / "IEMOCAP_full_release", 3, "Ses03F_impro01", {"F000": "neu"})
    (path,) = scan(around).table["path"]
    assert (around / path).is_file()
    assert recognises(around)
    assert not recognises(tmp_path)


def test_the_expected_counts_add_up_to_table_1() -> None:
    known = yaml.safe_load((KNOWN / "iemocap.yaml").read_text())["subsets"]["four-class"]
    assert known["labels"] == {"anger": 1103, "happiness": 1636, "neutral": 1708, "sadness": 1084}
    assert sum(known["labels"].values()) == known["num_utterances"] == 5531
    assert list(known["sessions"].values()) == [1085, 1023, 1151, 1031, 1241]
    assert sum(known["sessions"].values()) == 5531
