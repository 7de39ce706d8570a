"""`tokser corpora`, and a corpus of one's own by its declaration, as own-corpus.md shows it."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.corpora.declared.names import declared_names

MINE = """\
dataset: moods
languages: de
layout: anna-froh-01.wav
files: {include: "*.wav", pattern: '(?P<who>[a-z]+)-(?P<mood>[a-z]+)-\\d+'}
columns:
  speaker: "{who}"
  label: {value: "{mood}", values: {froh: happiness, wut: anger}}
"""


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


PAGE = Path(__file__).parents[2] / "docs" / "own-corpus.md"


@pytest.fixture
def moods(tmp_path):
    (tmp_path / "moods.yaml").write_text(MINE)
    root = tmp_path / "audio"
    root.mkdir()
    rng = np.random.default_rng(0)
    for who in ("anna", "ben"):
        for mood in ("froh", "wut"):
            soundfile.write(root / f"{who}-{mood}-01.wav", rng.normal(0, 0.1, 8_000), 16_000)
    return root


def test_all_corpora_are_listed_with_what_is_known(tmp_path, write_noise_emodb):
    (tmp_path / "data" / "emodb").mkdir(parents=True)
    write_noise_emodb(tmp_path / "data" / "emodb")
    result = run("corpora", "--corpora", tmp_path / "data", "--json")
    assert result.exit_code == 0, result.output
    known = {one["dataset"]: one for one in json.loads(result.stdout)["corpora"]}
    assert tuple(known) == declared_names()
    assert known["emodb"]["found"] == [str(tmp_path / "data" / "emodb")]
    assert known["ravdess"]["found"] == []
    assert known["ravdess"]["num_utterances"] == 1440 + 1012
    assert known["librispeech"]["num_utterances"] > 281_241
    assert known["esd"]["languages"] == ["en", "zh"]
    shown = run("corpora", "--corpora", tmp_path / "data").output
    assert "cmu-mosei" in shown
    assert "voice-votes" not in shown  # it fits eighty columns


def test_a_declaration_of_ones_own_becomes_a_manifest(moods, tmp_path):
    out = tmp_path / "m.csv"
    declared = ("--corpus", tmp_path / "moods.yaml", "--root", moods)
    result = run("manifest", "moods", *declared, "--out", out)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out, index_col="id")
    assert table.loc["anna-wut-01", ["speaker", "label", "language"]].to_list() == [
        *("anna", "anger", "de"),
    ]


@pytest.mark.slow
def test_extract_reads_it_without_a_manifest(moods, tmp_path, tiny):
    arguments = ("--root", moods, "--encoder", tiny / "tiny-wavlm", "--store", tmp_path / "s.zarr")
    declared = ("--corpus", tmp_path / "moods.yaml")
    assert run("extract", "--dataset", "moods", *declared, *arguments).exit_code == 0
    other = run("extract", "--dataset", "mood", *declared, *arguments)
    assert other.exit_code == 2
    assert "expected moods, the dataset of" in other.output


def test_a_wrong_declaration_names_the_line(moods, tmp_path):
    declared = tmp_path / "moods.yaml"
    declared.write_text(MINE.replace("{who}", "{whom}"))
    result = run("manifest", "moods", "--corpus", declared, "--root", moods)
    assert result.exit_code == 2
    assert "line 6: no field 'whom'; there are folder, mood, name, path, who" in result.output


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("ravdes",), "Did you mean 'ravdess'"),
        (("emodb", "--subset", "speech"), "of emodb: all or recognised, got 'speech'"),
        (("ravdess", "--split", "dev-clean"), "no splits with ravdess"),
        (("ravdess",), "expected ravdess (Actor_12/03-01-05-01-02-01-12.wav)"),
        (("csv", "--corpus", "x.yaml"), "expected none with csv, which is a table"),
    ],
)
def test_what_does_not_fit_a_corpus_is_refused(moods, arguments, fault):
    result = run("manifest", *arguments, "--root", moods)
    assert result.exit_code == 2
    assert fault in " ".join(result.output.split())


def test_doctor_counts_a_declared_corpus(tmp_path):
    folder = tmp_path / "corpora" / "urdu" / "Angry"
    folder.mkdir(parents=True)
    soundfile.write(folder / "SM1_F1_A01.wav", np.zeros(160), 44_100)
    found = json.loads(run("doctor", "--workspace", tmp_path, "--json").stdout)["findings"]
    (urdu,) = [one for one in found if one["what"] == "urdu"]
    assert urdu["state"] == "note"
    assert "1 utterances; incomplete: 1 of 400 utterances; 1 of 38 speakers" in urdu["detail"]
    assert "tess" not in {one["what"] for one in found}


@pytest.mark.slow
def test_the_declaration_that_is_documented_does_what_is_said(tmp_path, tiny, monkeypatch):
    text = PAGE.read_text(encoding="utf-8")
    declared = re.search(r"```yaml\n(# moods\.yaml\n.*?)```", text, re.DOTALL)[1]
    assert len(declared.strip().splitlines()) < 30
    monkeypatch.chdir(tmp_path)
    Path("moods.yaml").write_text(declared)
    for name in ("anna-froh-01", "anna-wut-02", "ben-ernst-01", "old/ben-froh-01"):
        path = Path("audio") / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 8_000), 16_000)
    Path("audio/anna-froh-01.txt").write_text("Guten Morgen!\n")
    Path("audio/people.csv").write_text("name,sex\nanna,woman\nben,man\n")
    commands = re.search(r"```bash\n(tokser manifest moods.*?)```", text, re.DOTALL)[1]
    for line in commands.replace("\\\n", " ").splitlines():
        words = shlex.split(line)[1:]
        words = [
            str(tiny / "tiny-whisper") if word.startswith("openai/") else word for word in words
        ]
        result = run(*words)
        assert result.exit_code == 0, result.output
    table = pd.read_csv("moods.csv", index_col="id")
    assert table["label"].to_dict() == {
        "anna-froh-01": "happiness",
        "anna-wut-02": "anger",
        "ben-ernst-01": "neutral",
    }
    assert table.loc["anna-froh-01", ["sex", "transcript"]].to_list() == ["f", "Guten Morgen!"]
    assert len(tokser.open_store("workspace/stores/moods.zarr").ids) == 2
