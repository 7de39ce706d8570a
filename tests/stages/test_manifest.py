import pandas as pd
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
