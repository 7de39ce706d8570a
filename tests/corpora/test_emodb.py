from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from tokser.corpora.manifest import Manifest
from tokser.corpora.registry import class_names, looks_like, scan_corpus
from tokser.errors import CorpusError, MissingInputError

KNOWN = Path(__file__).parents[2] / "data_manifests"
TABLE_1 = {
    "anger": 127,
    "happiness": 64,
    "neutral": 78,
    "sadness": 52,
    "disgust": 38,
    "fear": 55,
    "boredom": 79,
}
ALL = {
    "anger": 127,
    "happiness": 71,
    "neutral": 79,
    "sadness": 62,
    "disgust": 46,
    "fear": 69,
    "boredom": 81,
}


def scan(root: Path, *, subset: str = "all") -> Manifest:
    return scan_corpus("emodb", root, subset=subset)


def listened(*lines: tuple[str, str, str]) -> bytes:
    pad = "\xa0" * 5
    text = "Nr.\tSatz\terkannt\tnatuerlich\n"
    for number, (name, recognition, naturalness) in enumerate(lines, start=1):
        text += f"{number}\xa0\t{name}.wav\t{recognition}{pad}\t{naturalness}{pad}\n"
    return text.encode("latin-1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "wav").mkdir()
    for name in ("03a01Wa", "08b10Ld", "16a05Fb", "14a07Na"):
        soundfile.write(tmp_path / "wav" / f"{name}.wav", np.zeros(160), 16_000)
    (tmp_path / "erkennung.txt").write_bytes(
        listened(
            ("03a01Wa", "80,00", "60,00"),
            ("08b10Ld", "79,99", "100,00"),
            ("16a05Fb", "100,00", "59,50"),
            ("16a05Ta", "100,00", "59,50"),
        )
    )
    return tmp_path


def test_a_file_name_says_who_spoke_what_and_how(root: Path) -> None:
    row = scan(root).table.loc["08b10Ld"]
    assert row.to_dict() == {
        "path": "wav/08b10Ld.wav",
        "num_samples": 160,
        "sampling_rate_hz": 16_000,
        "speaker": "08",
        "sex": "f",
        "session": "",
        "language": "de",
        "transcript": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
        "label": "boredom",
        "sentence": "b10",
        "recognition_percent": 79.99,
        "naturalness_percent": 100.0,
    }


def test_every_letter_stands_for_its_emotion(tmp_path: Path) -> None:
    (tmp_path / "wav").mkdir()
    for letter in "WLEAFTN":
        soundfile.write(tmp_path / "wav" / f"03a01{letter}a.wav", np.zeros(10), 16_000)
    labels = {name[5]: label for name, label in scan(tmp_path).table["label"].items()}
    assert labels == {
        "W": "anger",
        "L": "boredom",
        "E": "disgust",
        "A": "fear",
        "F": "happiness",
        "T": "sadness",
        "N": "neutral",
    }
    assert tuple(sorted(labels.values())) == class_names("emodb")


def test_recognised_keeps_the_bounds_and_drops_what_nobody_rated(root: Path) -> None:
    assert list(scan(root, subset="recognised").table.index) == ["03a01Wa"]
    assert np.isnan(scan(root).table.loc["14a07Na", "recognition_percent"])


def test_recognised_without_the_listening_test_is_an_error(root: Path) -> None:
    (root / "erkennung.txt").unlink()
    assert scan(root).table["naturalness_percent"].isna().all()
    with pytest.raises(
        MissingInputError, match=r"expected erkennung\.txt, which the subset recognised"
    ):
        scan(root, subset="recognised")


def test_all_unknown_names_are_listed_at_once(root: Path) -> None:
    for name in ("03a01Xa", "07a01Wa", "03a03Wa", "99b77Zz", "song"):
        soundfile.write(root / "wav" / f"{name}.wav", np.zeros(10), 16_000)
    with pytest.raises(CorpusError) as caught:
        scan(root)
    assert str(caught.value).count("song") == 1
    (root / "wav" / "song.wav").unlink()
    with pytest.raises(CorpusError) as caught:
        scan(root)
    for fault in (
        "wav/03a01Xa.wav: label 'X' is none of W, L, E, A, F, T, N",
        "wav/07a01Wa.wav: sex '07' is none of 03, 08,",
        "wav/03a03Wa.wav: transcript 'a03' is none of a01, a02,",
        "wav/99b77Zz.wav: transcript 'b77' is none of",
        "wav/99b77Zz.wav: label 'Z' is none of",
    ):
        assert fault in str(caught.value)


def test_malformed_lines_of_the_listening_test_are_all_named(root: Path) -> None:
    (root / "erkennung.txt").write_bytes(
        listened(("03a01Wa", "many", "60,00"), ("03a01Fa", "90,00", "75,00"))
        + b"3\t03a02Wa.wav\n4\t03a04Wa.wav\t91,00\t50,00\n"
    )
    with pytest.raises(CorpusError, match=r"erkennung\.txt: .*line 2: .*line 4: ") as caught:
        scan(root)
    assert "line 3" not in str(caught.value)
    assert "line 5" not in str(caught.value)


def test_a_percentage_beyond_100_is_refused(root: Path) -> None:
    (root / "erkennung.txt").write_bytes(listened(("03a01Wa", "101,00", "60,00")))
    with pytest.raises(CorpusError, match=r"recognition_percent '101,00' is not between 0 and 100"):
        scan(root)


def test_unreadable_audio_is_a_fault(root: Path) -> None:
    (root / "wav" / "03a01Wa.wav").write_bytes(b"")
    manifest = scan(root)
    assert [(fault.id, fault.reason) for fault in manifest.faults] == [
        ("03a01Wa", "an empty file (0 bytes)")
    ]
    assert manifest.table.loc["03a01Wa", "num_samples"] == 0


def test_hidden_files_are_no_recordings(root: Path) -> None:
    (root / "wav" / "._03a01Wa.wav").write_bytes(b"resource fork")
    assert len(scan(root).table) == 4


def test_only_emodb_is_recognised(root: Path) -> None:
    assert looks_like(root) == ["emodb"]
    assert looks_like(root / "wav") == []


@pytest.mark.parametrize(("subset", "counts"), [("all", ALL), ("recognised", TABLE_1)])
def test_the_real_corpus_has_the_published_counts(
    real_data: Path, subset: str, counts: dict[str, int]
) -> None:
    manifest = scan(real_data / "data" / "emodb", subset=subset)
    assert manifest.table["label"].value_counts().to_dict() == counts
    assert manifest.faults == ()
    known = yaml.safe_load((KNOWN / "emodb.yaml").read_text())["subsets"][subset]
    assert (known["num_utterances"], known["labels"]) == (sum(counts.values()), counts)


def test_the_shipped_table_is_that_of_the_real_corpus(real_data: Path) -> None:
    path = KNOWN / "emodb.csv"
    text = {"speaker": str, "sentence": str}
    shipped = pd.read_csv(path, comment="#", index_col="id", dtype=text)
    scanned = scan(real_data / "data" / "emodb").table
    assert path.read_text().startswith("# EmoDB")
    pd.testing.assert_frame_equal(shipped, scanned[shipped.columns], check_dtype=False)


def test_the_shipped_table_has_the_counts_of_table_1() -> None:
    shipped = pd.read_csv(KNOWN / "emodb.csv", comment="#", dtype={"speaker": str})
    assert shipped["label"].value_counts().to_dict() == ALL
    recognised = shipped.query("recognition_percent >= 80 and naturalness_percent >= 60")
    assert recognised["label"].value_counts().to_dict() == TABLE_1
    sexes = shipped.groupby("speaker")["sex"].unique().map(list).to_dict()
    assert {speaker for speaker, sex in sexes.items() if sex == ["m"]} == {
        "03",
        "10",
        "11",
        "12",
        "15",
    }
    assert len(sexes) == 10
