"""The main job, run as its user runs it."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tokser.store import open_store, verify_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "Vorführung"
    return out, run(out)


def run(out):
    command = [sys.executable, "-m", "tokser", "demo", "--out", str(out)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_it_ends_well_and_says_that_the_scores_mean_nothing(demo):
    out, result = demo
    assert result.returncode == 0, result.stderr
    assert "scores mean nothing" in result.stdout
    assert f"report -> {out / 'report.html'}" in result.stdout
    assert "Traceback" not in result.stderr
    assert "Warning" not in result.stderr


def test_every_number_is_what_it_was(demo):
    out, _ = demo
    path = Path(__file__).parents[1] / "consistency" / "golden.py"
    spec = importlib.util.spec_from_file_location("golden", path)
    golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden)
    kept = json.loads(golden.GOLDEN.read_text())
    kind = golden.kind_of_machine()
    if kind not in kept:
        pytest.skip(f"no digests were kept of this kind of machine: {kind}")
    assert golden.digests(out) == kept[kind]


def test_scores_and_page_lie_at_the_top(demo):
    out, _ = demo
    results = pd.read_csv(out / "results.csv")
    assert set(results["dataset"]) == {"emodb", "iemocap"}
    assert set(results["protocol"]) == {"random", "speaker"}
    assert {"aligner/aligned", "tiny-whisper/layer-2", "tiny-wavlm/layer-3"} <= set(
        results["features"]
    )
    assert results["uar"].between(0, 1).all()
    page = (out / "report.html").read_text()
    assert "IEMOCAP: dimensional emotion" in page
    assert "scores mean nothing" in page
    assert "LEAKS SPEAKERS" in page


def test_the_next_three_commands_work_as_they_are_printed(demo):
    out, result = demo
    told = result.stdout.partition("Next, for instance:")[2]
    commands = [line.strip() for line in told.splitlines() if " tokser " in line]
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert "LEAKS SPEAKERS" in (out / "tables" / "emodb-scores.tex").read_text()


def test_predictions_carry_every_utterance_of_the_corpus(demo):
    out, _ = demo
    predictions = pd.read_parquet(out / "results" / "emodb" / "predictions.parquet")
    one = predictions[
        (predictions["features"] == "tiny-whisper/layer-2") & (predictions["protocol"] == "speaker")
    ]
    store = open_store(out / "stores" / "emodb.zarr")
    assert sorted(one["id"]) == sorted(store.utterances.index)


def test_the_python_of_the_readme_runs_on_it(demo, monkeypatch):
    out, _ = demo
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (out.parent / "demo").symlink_to(out)
    monkeypatch.chdir(out.parent)
    names = {}
    exec(block, names)
    assert names["layer"].functionals().shape == (350, 128)


def test_its_stores_are_whole(demo):
    out, _ = demo
    for store in sorted((out / "stores").glob("*.zarr")):
        found = verify_store(open_store(store))
        assert found.is_whole
        assert not found.missing


def test_a_second_run_skips_what_is_done(demo):
    out, _ = demo
    before = (out / "results.csv").read_bytes()
    ledger = (out / "results" / "emodb" / "ledger.jsonl").read_bytes()
    result = run(out)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("already in") >= 9
    assert (out / "results.csv").read_bytes() == before
    assert (out / "results" / "emodb" / "ledger.jsonl").read_bytes() == ledger
