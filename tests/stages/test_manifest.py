import gzip
import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from tokser.cli import main


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_manifest_has_the_promised_columns(emodb, tmp_path):
    out = tmp_path / "emodb.csv"
    assert run("manifest", "emodb", "--root", emodb, "--out", out).exit_code == 0
    assert list(pd.read_csv(out).columns) == [
        *("id", "path", "num_samples", "sampling_rate_hz", "speaker", "sex", "session"),
        *("language", "transcript", "label", "sentence"),
        *("recognition_percent", "naturalness_percent"),
    ]


def test_unreadable_recordings_are_listed_and_exit_with_3(emodb, tmp_path):
    (emodb / "wav" / "08a01Na.wav").write_bytes(b"")
    result = run("manifest", "emodb", "--root", emodb, "--out", tmp_path / "m.csv")
    assert result.exit_code == 3
    assert "08a01Na" in result.output
    assert len(pd.read_csv(tmp_path / "m.csv")) == 6


def test_table_1_of_the_report_comes_out(real_data, tmp_path):
    out = tmp_path / "emodb.csv"
    root = real_data / "data" / "emodb"
    run("manifest", "emodb", "--root", root, "--subset", "recognised", "--out", out)
    counts = pd.read_csv(out)["label"].value_counts().to_dict()
    assert counts == {
        "anger": 127,
        "happiness": 64,
        "neutral": 78,
        "sadness": 52,
        "disgust": 38,
        "fear": 55,
        "boredom": 79,
    }


@pytest.fixture
def voices(tmp_path):
    """Thirty-six recordings of noise by six speakers, and a user's own table of them."""
    root = tmp_path / "voices"
    (root / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = ["filename;speaker;mood;text;age"]
    for i in range(36):
        soundfile.write(root / "audio" / f"v{i:02d}.wav", rng.normal(0, 0.1, 5_000 + i), 16_000)
        mood = ["froh", "traurig", ""][i % 3] if i > 2 else ["froh", "traurig", "froh"][i]
        lines.append(f"audio/v{i:02d}.wav;s{i % 6};{mood};Satz {i};{20 + i}")
    (root / "my table.csv").write_text("\n".join(lines))
    return root


@pytest.mark.slow
def test_a_corpus_of_one_s_own_goes_all_the_way(voices, tiny, tmp_path):
    table, out, store = voices / "my table.csv", tmp_path / "voices.csv", tmp_path / "voices.zarr"
    arguments = ("manifest", "csv", "--root", voices, "--table", table, "--language", "de")
    result = run(*arguments, "--column", "label=mood", "--rename-label", "froh=happy", "--out", out)
    assert result.exit_code == 0, result.output
    manifest = pd.read_csv(out, index_col="id", keep_default_na=False)
    assert manifest.loc["v03", ["path", "num_samples", "language", "label", "age"]].to_list() == [
        *("audio/v03.wav", 5_003, "de", "happy", 23),
    ]
    own = ("--dataset", "voices")
    result = run(
        *("extract", *own, "--root", voices, "--manifest", out, "--store", store),
        *("--encoder", tiny / "tiny-whisper", "--device", "cpu"),
    )
    assert result.exit_code == 0, result.output
    assert run("pool", "--store", store).exit_code == 0
    results = tmp_path / "results"
    result = run(
        *("classify", *own, "--store", store, "--out", results, "--protocol", "speaker"),
        *("--classifier", "logreg", "--device", "cpu"),
    )
    assert result.exit_code == 0, result.output
    assert "11 utterances have no label and are left out" in result.output
    scores = pd.read_csv(results / "results.csv")
    assert scores["dataset"].to_list() == ["voices"]
    assert scores["n_test"].to_list() == [25]
    assert run("report", results, "--out", tmp_path / "page.html").exit_code == 0
    assert "voices" in (tmp_path / "page.html").read_text()
    wrong = run("classify", "--dataset", "voice", "--store", store, "--out", tmp_path / "other")
    assert wrong.exit_code == 2
    assert "Name the dataset voices" in wrong.output


def test_missing_recordings_of_a_table_are_quarantined(voices, tmp_path):
    (voices / "audio" / "v07.wav").unlink()
    result = run(
        *("manifest", "csv", "--root", voices, "--table", voices / "my table.csv"),
        *("--column", "label=mood", "--out", tmp_path / "m.csv"),
    )
    assert result.exit_code == 3
    assert "v07" in result.output
    assert len(pd.read_csv(tmp_path / "m.csv")) == 36


def test_lhotse_s_manifests_are_read(voices, tmp_path):
    path = tmp_path / "recordings.jsonl.gz"
    recordings = [
        {
            "id": f"r{i}",
            "sources": [{"type": "file", "channels": [0], "source": f"audio/v{i:02d}.wav"}],
            "sampling_rate": 16_000,
            "num_samples": 5_000 + i,
            "duration": (5_000 + i) / 16_000,
        }
        for i in range(36)
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, recordings)).encode()))
    arguments = ("manifest", "lhotse", "--root", voices, "--table", path)
    assert "--unlabelled" in run(*arguments).output
    assert run(*arguments, "--unlabelled", "--out", tmp_path / "m.csv").exit_code == 0
    assert pd.read_csv(tmp_path / "m.csv", index_col="id").loc["r35", "num_samples"] == 5_035


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("csv",), "expected one CSV file, got 0"),
        (("csv", "--table", "none.csv"), "expected a table (csv), got no such file"),
        (("audformat", "--table", "emotion"), "db.yaml"),
        (("csv", "--table", "x", "--split", "dev-clean"), "--split and --subset"),
        (("csv", "--table", "x", "--column", "label"), "Put one `=` between two names"),
        (("emodb", "--unlabelled"), "options of tables: expected none with emodb"),
        (("csv", "--table", "my table.csv", "--splits-out", "s.json"), "expected tables of EmoBox"),
        (("emobox", "--table", "none.jsonl", "--splits-out", "s.json"), "got no such file"),
        (
            ("emobox", "--table", "my table.csv", "--splits-out", "s.json"),
            "expected files of folds",
        ),
    ],
)
def test_wrong_calls_are_refused(voices, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(voices)
    result = run("manifest", *arguments, "--root", ".", "--out", "m.csv")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not (voices / "m.csv").exists()


def test_a_root_that_is_not_there_is_refused(voices, tmp_path):
    table = voices / "my table.csv"
    result = run("manifest", "csv", "--root", tmp_path / "none", "--table", table)
    assert result.exit_code == 2
    assert "expected the folder that paths are relative to, got no such folder" in result.output


@pytest.fixture
def emobox(tmp_path):
    """A checkout of EmoBox with one dataset of twenty-four recordings of noise and two folds."""
    root = tmp_path / "EmoBox"
    lines, rng = [], np.random.default_rng(0)
    (root / "downloads").mkdir(parents=True)
    for i in range(24):
        path = f"downloads/{i:02d}.wav"
        soundfile.write(root / path, rng.normal(0, 0.1, 4_000), 16_000)
        line = {"key": f"toy-{i:02d}", "dataset": "toy", "wav": path, "type": "raw"}
        lines.append(line | {"emo": ["sad", "hap"][i % 2]})
    for name, part in (
        ("toy", lines),
        ("fold_1/toy_train_fold_1", lines[:16]),
        ("fold_1/toy_test_fold_1", lines[16:]),
        ("fold_2/toy_train_fold_2", lines[8:]),
        ("fold_2/toy_test_fold_2", lines[:8]),
    ):
        file = root / "data" / "toy" / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(map(json.dumps, part)))
    return root


@pytest.mark.slow
def test_emobox_s_folds_go_all_the_way(emobox, tiny, tmp_path):
    out, splits, store = tmp_path / "toy.csv", tmp_path / "toy.json", tmp_path / "toy.zarr"
    result = run(
        *("manifest", "emobox", "--root", emobox, "--out", out, "--splits-out", splits),
        *("--table", emobox / "data" / "toy" / "toy.jsonl"),
    )
    assert result.exit_code == 0, result.output
    assert "unknown" in result.output  # speakers
    assert f"tokser classify --splits {splits}" in " ".join(result.output.split())
    folds = json.loads(splits.read_text())["emobox"]
    assert [set(fold) for fold in folds] == [{"fold", "train", "test"}] * 2
    assert folds[1]["test"] == [f"toy-{i:02d}" for i in range(8)]
    assert pd.read_csv(out, dtype=str, index_col="id")["fold"].to_list()[:8] == ["2"] * 8
    own = ("--dataset", "toy")
    result = run(
        *("extract", *own, "--root", emobox, "--manifest", out, "--store", store),
        *("--encoder", tiny / "tiny-wavlm", "--device", "cpu"),
    )
    assert result.exit_code == 0, result.output
    assert run("pool", "--store", store).exit_code == 0
    result = run(
        *("classify", *own, "--store", store, "--splits", splits, "--classifier", "logreg"),
        *("--out", tmp_path / "results", "--device", "cpu"),
    )
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "no dev part in fold 1, 2; about 20 % of train is drawn" in told
    assert "SPEAKERS UNKNOWN" in told
    summary = pd.read_csv(tmp_path / "results" / "summary.csv")
    assert (summary["protocol"][0], summary["num_folds"][0]) == ("emobox", 2)
    drawn = json.loads((tmp_path / "results" / "splits.json").read_text())["emobox"]
    assert [(fold["dev_drawn"], len(fold["dev"])) for fold in drawn] == [("random", 4)] * 2


def test_speakers_known_in_part_are_counted_as_that(voices, tmp_path):
    table = voices / "my table.csv"
    table.write_text(table.read_text().replace(";s5;", ";;"))
    result = run(
        *("manifest", "csv", "--root", voices, "--table", table, "--column", "label=mood"),
        *("--out", tmp_path / "m.csv"),
    )
    assert "5, 6 without one" in " ".join(result.output.split())


def test_annotations_become_shares_and_a_label(voices, tmp_path):
    names = [f"v{i:02d}" for i in range(36)]
    lines = [f"{n},{a},{'froh' if a in 'AB' else 'müde'}" for n in names[:35] for a in "ABC"]
    (tmp_path / "a.csv").write_text("\n".join(["id,annotator,label", *lines]))
    table, out = voices / "my table.csv", tmp_path / "m.csv"
    given = ("manifest", "csv", "--root", voices, "--table", table, "--out", out)
    said = ("--annotations", tmp_path / "a.csv", "--column", "label=mood")
    result = run(*given, *said, "--labels", "majority")
    assert result.exit_code == 2 and "'müde' (line 4)" in result.output
    assert not out.exists()
    result = run(*given, *said, "--labels", "majority", "--rename-label", "müde=traurig")
    assert result.exit_code == 0, result.output
    found = pd.read_csv(out, index_col="id", dtype=str, keep_default_na=False)
    assert found["label"].value_counts().to_dict() == {"froh": 35, "": 1}
    assert found.loc["v00", "label_traurig"] == "0.3333333333333333"
    assert "1 utterances have no annotation: v35" in result.output
    left_out = ("--rename-label", "müde=", "--labels", "plurality", "--min-agreement", "0.9")
    assert run(*given, *said, *left_out).exit_code == 0
    found = pd.read_csv(out, index_col="id", dtype=str, keep_default_na=False)
    assert found.loc["v00", ["label", "label_froh", "num_annotators"]].tolist() == [
        *("froh", "1.0", "2"),
    ]
