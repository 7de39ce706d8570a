from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from tokser.corpora.registry import class_names, load_corpus, scan_corpus
from tokser.errors import CorpusError, MissingInputError, SettingsError

KNOWN = Path(__file__).parents[2] / "data_manifests"


def recording(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(160), 16_000)


@pytest.fixture
def roots(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("librispeech", "emodb", "iemocap")}
    recording(found["librispeech"] / "dev-clean/84/121123/84-121123-0000.flac")
    recording(found["emodb"] / "wav/03a01Wa.wav")
    recording(found["iemocap"] / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")
    evaluation = found["iemocap"] / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    evaluation.parent.mkdir(parents=True)
    evaluation.write_text("[6.2 - 8.2]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\n")
    return found


@pytest.mark.parametrize("dataset", ["librispeech", "emodb", "iemocap"])
def test_every_corpus_is_scanned_by_its_name(roots: dict[str, Path], dataset: str) -> None:
    manifest = scan_corpus(dataset, roots[dataset])
    assert (manifest.dataset, len(manifest.table), manifest.faults) == (dataset, 1, ())
    assert set(manifest.table["label"]) <= {*class_names(dataset), ""}


def test_classes_are_those_of_table_1() -> None:
    assert class_names("librispeech") == ()
    assert len(class_names("emodb")) == 7
    assert class_names("iemocap") == ("anger", "happiness", "neutral", "sadness")


@pytest.mark.parametrize("asked", ["librispeech", "emodb", "iemocap"])
@pytest.mark.parametrize("there", ["librispeech", "emodb", "iemocap"])
def test_a_folder_of_another_corpus_is_named_as_that(
    roots: dict[str, Path], asked: str, there: str
) -> None:
    if asked == there:
        return
    with pytest.raises(CorpusError, match=f"expected {asked} .* which looks like {there}. Name "):
        scan_corpus(asked, roots[there])


def test_a_folder_of_something_else_is_listed(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(
        CorpusError, match=r"expected emodb \(wav/ .*got a folder that contains holiday.jpg"
    ):
        scan_corpus("emodb", tmp_path)


def test_an_empty_folder_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"got an empty folder\. Name the folder"):
        scan_corpus("iemocap", tmp_path)


def test_a_missing_folder_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"<split>/<speaker>/.*got no such folder"):
        scan_corpus("librispeech", tmp_path / "none")


def test_an_archive_must_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "download.zip").touch()
    with pytest.raises(CorpusError, match=r"got a file\. Unpack it"):
        scan_corpus("emodb", tmp_path / "download.zip")


def test_an_unknown_corpus_has_its_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"got 'emo-db'\. Did you mean 'emodb'"):
        scan_corpus("emo-db", tmp_path)
    with pytest.raises(SettingsError, match="one of aesdd, ased, baved"):
        class_names("")


def test_parts_that_a_corpus_does_not_have_are_refused(roots: dict[str, Path]) -> None:
    with pytest.raises(SettingsError, match="no splits with emodb; only librispeech has splits"):
        scan_corpus("emodb", roots["emodb"], splits=["dev-clean"])
    with pytest.raises(SettingsError, match="of iemocap: all or four-class, got 'recognised'"):
        scan_corpus("iemocap", roots["iemocap"], subset="recognised")
    with pytest.raises(SettingsError, match="of emodb: all or recognised, got 'some'"):
        scan_corpus("emodb", roots["emodb"], subset="some")


def test_splits_and_subset_reach_their_corpus(roots: dict[str, Path]) -> None:
    with pytest.raises(CorpusError, match="no test-other; there are dev-clean"):
        scan_corpus("librispeech", roots["librispeech"], splits=["test-other"])
    with pytest.raises(MissingInputError, match=r"erkennung\.txt"):
        scan_corpus("emodb", roots["emodb"], subset="recognised")


def test_960_hours_of_librispeech_are_281241_utterances() -> None:
    splits = yaml.safe_load((KNOWN / "librispeech.yaml").read_text())["splits"]
    train = [split for name, split in splits.items() if name.startswith("train")]
    assert sum(split["num_utterances"] for split in train) == 281_241
    assert sum(split["hours"] for split in train) == pytest.approx(960.9)
    assert len({split["md5"] for split in splits.values()}) == len(splits) == 7
    assert all(len(split["md5"]) == 32 for split in splits.values())


@pytest.mark.parametrize(
    "path", sorted(filter(Path.is_file, KNOWN.rglob("*"))), ids=lambda path: path.name
)
def test_every_shipped_manifest_begins_with_what_it_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_a_manifest_goes_before_what_lies_in_the_folder(roots: dict[str, Path]) -> None:
    root, csv = roots["emodb"], roots["emodb"] / "mine.csv"
    scan_corpus("emodb", root).write(csv)
    recording(root / "wav/03a01Na.wav")
    assert len(load_corpus("emodb", root, manifest=None).table) == 2
    assert list(load_corpus("emodb", root, manifest=csv).table.index) == ["03a01Wa"]
    mine = load_corpus("my-corpus", root, manifest=csv)
    assert (mine.dataset, mine.table.loc["03a01Wa", "label"]) == ("my-corpus", "anger")


def test_a_manifest_has_its_own_folder_and_no_parts(roots: dict[str, Path]) -> None:
    root, csv = roots["emodb"], roots["emodb"] / "mine.csv"
    scan_corpus("emodb", root).write(csv)
    with pytest.raises(SettingsError, match=r"neither with a manifest.*got dev-clean, recognised"):
        load_corpus("x", root, manifest=csv, splits=["dev-clean"], subset="recognised")
    with pytest.raises(MissingInputError, match=r"manifest's paths are relative to, got no such"):
        load_corpus("x", root / "none", manifest=csv)
    with pytest.raises(MissingInputError, match="Write it with `tokser manifest`"):
        load_corpus("x", root, manifest=root / "none.csv")


def test_an_unknown_corpus_error_names_the_manifest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"got 'mine'.*needs its manifest"):
        load_corpus("mine", tmp_path, manifest=None)
