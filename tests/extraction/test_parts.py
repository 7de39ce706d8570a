"""Parts of recordings through manifest and extraction: the same as if they were files."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

import tokser
from tokser.cli import main

RATE = 16_000
PARTS = {"a": (0.0, 0.5), "b": (0.5, 1.25), "c": (1.0, 1.75)}


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def manifest(root, lines, out, *options):
    table = root / "table.csv"
    table.write_text("\n".join(["id,path,label,begin,end_s", *lines]))
    return run(
        *("manifest", "csv", "--root", root, "--table", table, "--out", out),
        *("--column", "start_s=begin", *options),
    )


@pytest.fixture
def root(tmp_path):
    samples = np.random.default_rng(0).normal(0, 0.1, 2 * RATE)
    folder = tmp_path / "audio"
    folder.mkdir()
    soundfile.write(folder / "talk.wav", samples, RATE)
    for name, (start, end) in PARTS.items():
        soundfile.write(folder / f"{name}.wav", samples[int(start * RATE) : int(end * RATE)], RATE)
    return folder


def extracted(root, listed, store, tiny):
    return run(
        *("extract", "--dataset", "mine", "--manifest", listed, "--root", root),
        *("--encoder", tiny / "tiny-wavlm", "--dtype", "float32", "--store", store),
    )


@pytest.mark.slow
def test_a_part_has_the_activations_of_the_same_file(root, tmp_path, tiny):
    lines = [f"{name},talk.wav,x,{start},{end}" for name, (start, end) in PARTS.items()]
    assert manifest(root, [*lines, "whole,a.wav,x,,"], tmp_path / "parts.csv").exit_code == 0
    lines = [f"{name},{name}.wav,x,," for name in PARTS]
    assert manifest(root, lines, tmp_path / "files.csv").exit_code == 0
    table = pd.read_csv(tmp_path / "parts.csv", index_col="id")
    assert table["num_samples"].to_dict() == {"a": 8000, "b": 12000, "c": 12000, "whole": 8000}
    for name in ("parts", "files"):
        result = extracted(root, tmp_path / f"{name}.csv", tmp_path / f"{name}.zarr", tiny)
        assert result.exit_code == 0, result.output
    parts, files = (tokser.open_store(tmp_path / f"{name}.zarr") for name in ("parts", "files"))
    (feature,) = parts.features
    for name in PARTS:
        np.testing.assert_allclose(parts[feature][name], files[feature][name], atol=1e-5)
    np.testing.assert_allclose(parts[feature]["whole"], files[feature]["a"], atol=1e-5)
    assert parts.utterances.loc["b", "start_s"] == "0.5"


def test_parts_without_ids_are_named_by_their_times(root, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("path,label,start_s,end_s\ntalk.wav,x,0,0.5\ntalk.wav,y,0.5,1.25\n")
    out = tmp_path / "m.csv"
    result = run("manifest", "csv", "--root", root, "--table", table, "--out", out)
    assert result.exit_code == 0, result.output
    assert list(pd.read_csv(out)["id"]) == ["talk-0-500", "talk-500-1250"]


def test_a_part_beyond_its_recording_is_quarantined(root, tmp_path):
    out = tmp_path / "m.csv"
    result = manifest(root, ["a,talk.wav,x,0,1", "b,talk.wav,x,1.5,9"], out)
    assert result.exit_code == 3
    assert "a part from 1.5 to 9 s of a recording of 2.00 s" in " ".join(result.output.split())
    assert pd.read_csv(out, index_col="id").loc["b", "num_samples"] == 0


def test_all_wrong_times_are_named_and_nothing_is_written(root, tmp_path):
    out = tmp_path / "m.csv"
    result = manifest(root, ["a,talk.wav,x,2,1", "b,talk.wav,x,1,"], out)
    assert result.exit_code == 2
    assert "line 2: start_s '2' is not before end_s '1'" in result.output
    assert "line 3: start_s '1' and end_s '': either both or neither" in result.output
    assert not out.exists()


def test_wrong_times_of_an_edited_manifest_are_named(root, tmp_path, tiny):
    out = tmp_path / "m.csv"
    assert manifest(root, ["a,talk.wav,x,0,1"], out).exit_code == 0
    out.write_text(out.read_text().replace(",0,1", ",soon,1"))
    result = extracted(root, out, tmp_path / "s.zarr", tiny)
    assert result.exit_code == 2
    assert "line 2: start_s 'soon' and end_s '1' are not both numbers" in result.output
