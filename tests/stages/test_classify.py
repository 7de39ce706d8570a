"""Groups of the grid on Dask workers: what comes out is what this machine finds."""

import pandas as pd
import pytest

from tokser.config import ClassifySettings, GridSettings, PoolSettings
from tokser.errors import InputError
from tokser.stages.classify import classify
from tokser.stages.pool import pool

pytestmark = pytest.mark.slow

CLUSTER = """
kind: local
jobs: 1
options: {memory_limit: 0}
"""


@pytest.fixture
def settings(stores, tmp_path):
    table = stores.manifest(60)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 5}))
    pool(PoolSettings(store=opened.path))
    grid = GridSettings(batch_sizes=(8, 16), learning_rates=(1e-2,), hidden=(6,), epochs=2)
    told = {"dataset": "emodb", "store": opened.path, "grid": grid, "device": "cpu"}

    def make(out, **changes):
        return ClassifySettings(out=tmp_path / out, **told, **changes)

    return make


def test_workers_find_what_this_machine_finds(settings, tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "local.yaml").write_text(CLUSTER)
    here = classify(settings("here"))
    there = classify(settings("there", cluster=tmp_path / "local.yaml"))
    for name in ("results.csv", "grid.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(here / name), pd.read_csv(there / name))
    # Where it runs is no setting that decides anything: this goes on, and has nothing to do.
    assert classify(settings("there")) == there


def test_a_scheduler_that_does_not_answer_is_named(settings, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("tokser.scheduling.CONNECT_S", 0.2)
    with pytest.raises(InputError, match=r"--scheduler tcp://127\.0\.0\.1:9"):
        classify(settings("out", scheduler="tcp://127.0.0.1:9"))
