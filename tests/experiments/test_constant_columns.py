"""Two sentences, one of them unheard in training: what says nothing there stays silent in test."""

import numpy as np
import pandas as pd
import pytest

from tokser.config import ClassifySettings, PoolSettings, RegressSettings
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.stages.regress import regress

pytestmark = pytest.mark.slow

SPEECH, TEXT = "whisper-tiny/layer-1", "bert-tiny/contextual"
BOTH = f"{SPEECH} + {TEXT}"
DIM = 20


@pytest.fixture(params=["float16", "float32"])
def store(request, stores):
    """Speech that tells the emotions a little; text that is its sentence, and rounding."""
    dtype = request.param
    table = stores.manifest(72)
    number = np.arange(72)
    labels = np.array(["anger", "neutral", "sadness"])[number // 4 % 3]
    sentences = number // 12 % 2
    table = table.assign(
        label=labels,
        transcript=[f"Satz {i}" for i in sentences],
        valence=[1 + i % 3 for i in number // 4],
    )
    speech = stores.plan(table, features={"layer-1": 6}, lengths=np.full(72, 9))
    text = stores.plan(
        table,
        name="bert-tiny",
        kind="text",
        features={"contextual": DIM},
        dtype=dtype,
        lengths=np.full(72, 5),
    )
    rng = np.random.default_rng(0)
    centres = dict(zip(sorted(set(labels)), rng.normal(size=(3, 6)), strict=True))
    said = rng.normal(size=(2, 5, DIM))

    def rows(plan, feature, i):
        own = np.random.default_rng([i, len(feature)])
        if feature == "layer-1":
            noise = 1.5 * own.normal(size=6) + 0.3 * own.normal(size=(9, 6))
            return (centres[labels[i]] + noise).astype(np.float16)
        # Computed in another batch: another last digit of float32, sometimes another float16.
        exact = said[sentences[i]] * (1 + 2e-6 * own.uniform(-1, 1, (5, DIM)))
        near = exact.astype(dtype)
        other = np.nextafter(near, near.dtype.type(np.inf) * np.sign(exact - near).astype(dtype))
        return np.where(own.random((5, DIM)) < 0.5, near, other) if dtype == "float16" else near

    stores.rows = rows
    opened = stores.complete(table, speech, text)
    pool(PoolSettings(store=opened.path))
    return str(opened.path)


@pytest.mark.parametrize("standardise", ["global", "speaker"])
def test_text_that_training_leaves_constant_changes_nothing(store, tmp_path, capsys, standardise):
    out = classify(
        ClassifySettings(
            dataset="emodb",
            store=store,
            out=tmp_path / "out",
            features=(SPEECH, BOTH),
            protocols=("text", "speaker"),
            classifiers=("logreg",),
            standardise=standardise,
            device="cpu",
        )
    )
    told = capsys.readouterr().err
    assert told.count("WARNING") == 1  # among other speakers both sentences are in training
    assert (
        f"WARNING: {TEXT} is constant in the training part of 8 of 8 folds of protocol text: "
        f"all {2 * DIM} columns are left out" in told
    )
    table = pd.read_parquet(out / "predictions.parquet")
    table = table[table["protocol"] == "text"].set_index(["fold", "id"])
    alone, both = (table[table["features"] == name] for name in (SPEECH, BOTH))
    columns = ["prediction", *alone.filter(like="probability_")]
    pd.testing.assert_frame_equal(both[columns], alone[columns], atol=1e-4)
    uar = pd.read_csv(out / "summary.csv").set_index(["features", "protocol"])["uar"]
    assert uar[BOTH, "text"] == pytest.approx(uar[SPEECH, "text"])
    assert uar[SPEECH, "text"] > 0.5
    grid = pd.read_csv(out / "grid.csv")
    counts = grid.groupby(["features", "protocol"])["num_constant"].unique().map(list).to_dict()
    assert counts[BOTH, "text"] == [2 * DIM]
    assert counts[SPEECH, "text"] == [0]
    # Both sentences are heard there; two columns differ by less than 0.002 between them.
    assert max(counts[BOTH, "speaker"]) <= 2


def test_nor_in_regression(store, tmp_path):
    out = regress(
        RegressSettings(
            dataset="emodb",
            store=store,
            out=tmp_path / "out",
            features=(SPEECH, BOTH),
            protocols=("text",),
            targets=("valence",),
        )
    )
    table = pd.read_parquet(out / "predictions.parquet").set_index(["fold", "id"])
    alone, both = (table.loc[table["features"] == n, "prediction"] for n in (SPEECH, BOTH))
    np.testing.assert_allclose(both, alone, atol=1e-3)
