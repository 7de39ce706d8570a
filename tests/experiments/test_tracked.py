"""Trackers are told of scores, without a network, once a folder."""

import json
import os
import subprocess
import sys

import pytest

from tokser.config import ClassifySettings, PoolSettings
from tokser.errors import MissingPackageError, RunError
from tokser.experiments.tracked import TRACKED
from tokser.stages.classify import classify
from tokser.stages.pool import pool

pytestmark = pytest.mark.slow

SCORE = "speaker/logreg/whisper-tiny/layer-2/uar"


@pytest.fixture
def settings(stores, tmp_path):
    opened = stores.complete(stores.manifest(60))
    pool(PoolSettings(store=opened.path))
    places = {"dataset": "emodb", "store": opened.path, "out": tmp_path / "out"}

    def make(**changes):
        return ClassifySettings(**places, protocols=("speaker",), heads=("logreg",), **changes)

    return make


def test_tensorboard_has_settings_and_scores(settings):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = classify(settings(track=("tensorboard",)))
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    assert 0 < events.Scalars(SCORE)[0].value < 1
    assert json.loads((out / TRACKED).read_text()) == ["tensorboard"]
    first = sorted((out / "tensorboard").iterdir())
    classify(settings(track=("tensorboard",)))
    assert sorted((out / "tensorboard").iterdir()) == first


def test_trackers_are_told_offline(settings, monkeypatch):
    pytest.importorskip("wandb")
    mlflow = pytest.importorskip("mlflow")
    made = settings()
    command = ["-m", "tokser", "classify", "--dataset", "emodb", "--store", made.store]
    command += ["--out", str(made.out), "--protocol", "speaker", "--head", "logreg"]
    offline = {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    run = subprocess.run(
        [sys.executable, *command, "--track", "wandb,mlflow"],
        capture_output=True, text=True, env=os.environ | offline, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert list((made.out / "wandb").glob("offline-run-*/*.wandb"))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(f"file:{(made.out / 'mlruns').resolve()}")
    (found,) = client.search_runs([client.get_experiment_by_name("tokser").experiment_id])
    assert 0 < found.data.metrics[SCORE] < 1
    assert found.data.params["dataset"] == "emodb"
    assert found.info.status == "FINISHED"


def test_results_that_are_finished_are_told_later(settings):
    out = classify(settings())
    before = (out / "provenance.json").read_bytes()
    assert not (out / TRACKED).exists()
    assert classify(settings(track=("tensorboard",))) == out
    assert (out / "tensorboard").is_dir()
    assert (out / "provenance.json").read_bytes() == before


def test_a_tracker_that_is_not_installed_leaves_no_results(settings, monkeypatch):
    monkeypatch.setattr("tokser.trackers.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"--track mlflow.*tokser\[tracking\]"):
        classify(settings(track=("mlflow",)))
    assert not settings().out.exists()


def test_a_tracker_that_fails_leaves_the_results(settings, monkeypatch):
    def refuse(*_):
        raise OSError("no route to host")

    monkeypatch.setattr("tokser.experiments.tracked._log", refuse)
    with pytest.raises(RunError, match="no route to host"):
        classify(settings(track=("tensorboard",)))
    assert (settings().out / "provenance.json").is_file()
