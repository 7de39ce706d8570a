"""The stages on a store in a bucket, run as their user runs them."""

import json
import sys
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from tokser.cli import main
from tokser.store import open_store

pytestmark = pytest.mark.slow

SPEAKERS, LETTERS, SENTENCES = ("03", "08", "09", "10"), "WNT", ("a01", "b01")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def corpus(tmp_path):
    """EmoDB's layout: four speakers say two sentences in three moods of noise."""
    root = tmp_path / "emodb"
    (root / "wav").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for speaker in SPEAKERS:
        for sentence in SENTENCES:
            for loudness, letter in enumerate(LETTERS, start=1):
                samples = rng.normal(0, 0.05 * loudness, rng.integers(3_000, 9_000))
                soundfile.write(root / "wav" / f"{speaker}{sentence}{letter}a.wav", samples, 16_000)
    return root


@pytest.fixture
def extract(corpus, tiny):
    def _extract(store, *encoders, code=0):
        flags = [name for name in encoders if name.startswith("--")]
        models = [("--encoder", tiny / name) for name in encoders if name not in flags]
        arguments = ("--dataset", "emodb", "--root", corpus, "--store", store, "--device", "cpu")
        return run("extract", *arguments, *flags, *chain(*models), code=code)

    return _extract


def experiment(store, aligner, workspace):
    """Everything after pretraining; returns the scores."""
    run("align", "--store", store, "--checkpoint", aligner, "--device", "cpu")
    assert "functionals of" in run("pool", "--store", store)
    chosen = ("--protocol", "speaker", "--classifier", "logreg", "--workspace", workspace)
    run("classify", "--dataset", "emodb", "--store", store, *chosen)
    run("report", workspace / "results" / "emodb", "--out", workspace / "report.html")
    assert (workspace / "report.html").is_file()
    return pd.read_csv(workspace / "results" / "emodb" / "results.csv")


def test_every_stage_gives_in_a_bucket_what_it_gives_in_a_folder(extract, s3_bucket, tmp_path):
    local, remote = str(tmp_path / "feats.zarr"), f"{s3_bucket}/lab/feats.zarr"
    for store in (local, remote):
        assert store in extract(store, "tiny-wavlm", "tiny-bert")
    home = ("--workspace", tmp_path, "--device", "cpu")
    run("pretrain", "--store", remote, "--epochs", 1, "--batch-size", 8, *home)
    aligner = tmp_path / "runs" / "feats"
    scores = experiment(remote, aligner, tmp_path / "remote")
    pd.testing.assert_frame_equal(scores, experiment(local, aligner, tmp_path / "local"))
    assert "feats/aligned" in set(scores["features"])
    here, there = open_store(local), open_store(remote)
    assert here.arrays == there.arrays
    for name in there.arrays:
        assert there.identity(name) == here.identity(name)
        shards = zip(there[name].entries, here[name].entries, strict=True)
        assert all(one.file_digest == other.file_digest for one, other in shards), name
    assert "complete" in run("store", "verify", remote)
    content = json.loads(run("store", "info", remote, "--json"))
    assert content["path"] == remote
    assert {feature["complete_percent"] for feature in content["features"]} == {100.0}
    assert not [path for path in tmp_path.rglob("*") if "s3:" in path.name]


def test_a_damaged_object_is_named_taken_out_and_computed_again(extract, s3_bucket):
    address = f"{s3_bucket}/feats.zarr"
    extract(address, "tiny-wavlm")
    store = open_store(address)
    layer = store["tiny-wavlm/layer-3"]
    wanted = {name: layer[name] for name in store.ids}
    objects, key = store.backend.objects, store.backend.shard_key(layer.name, 0, layer.spec)
    objects.delete(key)
    found = run("store", "verify", address, code=1)
    assert "its file is gone" in " ".join(found.split())
    assert "1 shards to be computed again" in run("store", "repair", address)
    extract(address, "tiny-wavlm")
    assert "complete" in run("store", "verify", address)
    again = open_store(address)["tiny-wavlm/layer-3"]
    for name, rows in wanted.items():
        np.testing.assert_array_equal(again[name], rows)


def test_a_dry_run_tells_the_cost_and_writes_nothing(extract, s3_bucket):
    address = f"{s3_bucket}/feats.zarr"
    said = extract(address, "tiny-wavlm", "--dry-run")
    assert "tiny-wavlm/layer-3" in said
    assert "got nothing" in run("store", "info", address, code=2)


def test_a_run_resumes_when_the_service_is_back(extract, s3_bucket, s3_server, monkeypatch):
    monkeypatch.setenv("TOKSER_REMOTE_TIMEOUT_S", "0.5")
    address = f"{s3_bucket}/feats.zarr"
    extract(address, "tiny-wavlm")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nothing listens there
    said = extract(address, "tiny-wavlm", "tiny-bert", code=1)
    assert "Error: " in said
    assert "expected an answer from the object store" in said
    assert "Traceback" not in said
    assert "expected an answer" in run("store", "info", address, code=1)
    assert "expected an answer" in run("pool", "--store", address, code=1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    extract(address, "tiny-wavlm", "tiny-bert")
    assert "complete" in run("store", "verify", address)


def test_wrong_addresses_exit_with_2(s3_bucket, monkeypatch):
    assert "expected a store, got nothing" in run("store", "info", f"{s3_bucket}/x.zarr", code=2)
    assert "HDF5 stores are local" in run("pool", "--store", f"{s3_bucket}/x.h5", code=2)
    assert "a URL such as" in run("store", "verify", "ftp://host/x.zarr", code=2)
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert "pip install 'tokser[cloud]'" in run("pool", "--store", f"{s3_bucket}/x.zarr", code=2)
