"""Heads over frames in whole experiments, as docs/classification.md shows them."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from tokser.config import (
    ClassifySettings,
    FitSettings,
    FrameHeadSettings,
    GridSettings,
    PoolSettings,
)
from tokser.errors import SettingsError, StoreIncompleteError
from tokser.experiments.classification import PROBABILITY, Classification
from tokser.experiments.experiment import _Runner
from tokser.experiments.mixes import mix_rows
from tokser.experiments.models import load_model
from tokser.experiments.units import Unit, part_name
from tokser.stages.classify import classify
from tokser.stages.fit import fit
from tokser.stages.pool import pool
from tokser.store import open_store

MIX = "mix(whisper-tiny/layer-1..2)"
GRID = GridSettings(batch_sizes=(16,), learning_rates=(1e-2,), epochs=2)


@pytest.fixture
def made(stores):
    """Forty utterances of four speakers, three emotions, two layers."""
    table = stores.manifest(40)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 4, "layer-2": 4}))
    pool(PoolSettings(store=opened.path))
    return opened.path


@pytest.fixture
def one_layer(made):
    """Settings of two heads on a layer, in a folder."""

    def settings_of(out, **changes):
        values = {"features": ("whisper-tiny/layer-1",), "heads": ("emobox", "logreg")}
        return settings(made, out, **(values | {"num_seeds": 3} | changes))

    return settings_of


@pytest.fixture
def spoken(stores):
    """Speech of two layers, and tokens of a text, which are other in number."""
    table = stores.manifest(40)
    plans = (
        stores.plan(table, features={"layer-1": 4, "layer-2": 4}),
        stores.plan(
            table,
            name="bert",
            features={"contextual": 5},
            kind="text",
            lengths=1 + np.arange(40) % 7,
        ),
    )
    pool(PoolSettings(store=stores.complete(table, *plans).path))
    return str(stores.path)


def settings(store, out, **changes):
    values = {"dataset": "emodb", "store": store, "out": out, "grid": GRID}
    values |= {"protocols": ("speaker",), "features": (MIX,)}
    return ClassifySettings(**(values | changes))


def test_every_head_is_scored_on_a_layer_a_mix_and_a_sum(made, tmp_path):
    features = (MIX, "whisper-tiny/layer-1", "whisper-tiny/layer-1 + whisper-tiny/layer-2")
    heads = ("superb", "emobox", "attentive", "transformer")
    out = classify(settings(made, tmp_path / "a", features=features, heads=heads))
    summary = pd.read_csv(out / "summary.csv")
    both = f"best({', '.join(heads)})"
    assert set(summary["classifier"]) == {*heads, both}
    assert set(features) <= set(summary["features"])
    weights = pd.read_csv(out / "mix.csv")
    assert list(weights["layer"].unique()) == ["whisper-tiny/layer-1", "whisper-tiny/layer-2"]
    np.testing.assert_allclose(weights.groupby("classifier")["weight"].sum(), 1, rtol=1e-5)
    assert (weights["weight_low"] <= weights["weight"]).all()
    before = {path.name: path.read_bytes() for path in out.glob("*.csv")}
    shutil.rmtree(out / "parts")
    (out / "provenance.json").unlink()
    again = classify(settings(made, tmp_path / "a", features=features, heads=heads))
    assert {path.name: path.read_bytes() for path in again.glob("*.csv")} == before


def of_seed(out, seed):
    """Predictions of a seed, by fold and utterance."""
    found = pd.read_parquet(out / "predictions.parquet")
    own = found[(found["seed"] == seed) & (found["classifier"] == "emobox")]
    return own.sort_values(["fold", "id"], ignore_index=True)


@pytest.mark.slow
def test_a_seed_is_the_same_alone_and_with_others(one_layer, tmp_path):
    together = classify(one_layer(tmp_path / "a"))
    alone = classify(one_layer(tmp_path / "b", num_seeds=1, seed=2))
    own, other = (of_seed(out, 2) for out in (together, alone))
    shares = [name for name in own if name.startswith(PROBABILITY)]
    assert shares
    np.testing.assert_allclose(own[shares], other[shares], atol=1e-5)
    assert not np.allclose(own[shares], of_seed(together, 1)[shares], atol=1e-2)
    found = pd.read_csv(together / "results.csv")
    assert sorted(found[found["classifier"] == "emobox"]["seed"]) == [0, 1, 2]
    entries = [json.loads(line) for line in (together / "ledger.jsonl").read_text().splitlines()]
    tested = {(one["seed"], one["fold"]) for one in entries if one["classifier"] == "emobox"}
    assert len(tested) == 3 * 4


@pytest.mark.slow
def test_seeds_that_trained_together_are_trained_again_together(one_layer, tmp_path, monkeypatch):
    chosen = one_layer(tmp_path / "a")
    out = classify(chosen)
    parts = {path.name: path.read_bytes() for path in (out / "parts").iterdir()}
    (out / "provenance.json").unlink()
    trained, run = [], _Runner.run
    monkeypatch.setattr(_Runner, "run", lambda s, u, m: trained.append(list(u)) or run(s, u, m))
    of_emobox = part_name(
        Unit("whisper-tiny/layer-1", "speaker", "label", "emobox", 1), Classification().tables
    )
    (out / "parts" / f"{of_emobox}.parquet").write_bytes(b"damaged")
    classify(chosen)
    assert [[(one.head, one.seed) for one in own] for own in trained] == [
        [("emobox", 0), ("emobox", 1), ("emobox", 2)]
    ]
    assert {path.name: path.read_bytes() for path in (out / "parts").iterdir()} == parts


@pytest.mark.slow
def test_folds_that_follow_the_seed_train_a_seed_at_a_time(one_layer, tmp_path, monkeypatch):
    sizes, run = [], _Runner.run
    monkeypatch.setattr(_Runner, "run", lambda s, u, m: sizes.append(len(u)) or run(s, u, m))
    classify(one_layer(tmp_path / "a", protocols=("random",), heads=("emobox",), num_seeds=2))
    assert sizes == [1, 1]


def test_options_of_heads_are_named_beside_the_scores(made, tmp_path):
    options = FrameHeadSettings(training_precision="bf16", weight_decay=0.1, layer_norm=True)
    wanted = settings(
        made, tmp_path / "a", features=("whisper-tiny/layer-1",), heads=("attentive",)
    )
    out = classify(wanted.model_copy(update={"frame_heads": options}))
    (setup,) = pd.read_csv(out / "results.csv")["setup"].unique()
    assert setup == "layer norm 1, weight decay 0.1, training precision bf16"


def test_speech_and_text_stand_side_by_side_or_attend(spoken, tmp_path):
    features = ("whisper-tiny/layer-1 + bert/contextual", f"{MIX} + bert/contextual")
    heads = ("attentive", "cross-attention")
    out = classify(settings(spoken, tmp_path / "a", features=features, heads=heads))
    summary = pd.read_csv(out / "summary.csv")
    alone = summary[summary["classifier"].isin(heads)]
    assert len(alone[alone["features"].isin(features)]) == 4
    assert summary["uar"].between(0, 1).all()


@pytest.mark.parametrize(
    ("features", "got"),
    [
        ("whisper-tiny/layer-1", "got speech"),
        ("bert/contextual + whisper-tiny/layer-1", r"got text \+ speech"),
        ("whisper-tiny/layer-1 + whisper-tiny/layer-2", r"got speech \+ speech"),
    ],
)
def test_cross_attention_says_what_it_takes(spoken, tmp_path, features, got):
    with pytest.raises(SettingsError, match=rf"speech \+ text: .* {got}"):
        classify(settings(spoken, tmp_path / "a", heads=("cross-attention",), features=(features,)))
    assert not (tmp_path / "a").exists()


def test_results_without_a_mix_have_no_file_of_weights(made, tmp_path):
    out = classify(settings(made, tmp_path / "a", features=("whisper-tiny/layer-1",)))
    assert not (out / "mix.csv").exists()


@pytest.mark.parametrize(
    ("head", "features", "message"),
    [
        ("logreg", MIX, r"expected a head that learns the weights of layers: superb, .*got logreg"),
        (
            "attentive",
            "whisper-tiny/layer-1:mean",
            r"got the functionals mean\. Write whisper-tiny",
        ),
    ],
)
def test_what_a_head_has_no_use_for_is_refused(made, tmp_path, head, features, message):
    with pytest.raises(SettingsError, match=message):
        classify(settings(made, tmp_path / "a", heads=(head,), features=(features,)))
    assert not (tmp_path / "a").exists()


def test_a_store_without_frames_says_which_heads_work(made, tmp_path, monkeypatch):
    known = type(open_store(made)).__contains__
    without = lambda self, name: "functionals/" in name and known(self, name)  # noqa: E731
    monkeypatch.setattr(type(open_store(made)), "__contains__", without)
    with pytest.raises(StoreIncompleteError, match=r"take one of the heads superb\."):
        classify(settings(made, tmp_path / "a", heads=("attentive",)))


@pytest.mark.parametrize("head", ["superb", "attentive"])
def test_a_kept_model_predicts_the_same_bits(made, tmp_path, head):
    out = fit(
        FitSettings(
            dataset="emodb",
            store=made,
            features=f"{MIX} + whisper-tiny/layer-1",
            head=head,
            out=tmp_path / "model",
            grid=GRID,
            frame_heads=FrameHeadSettings(ensemble=2),
        )
    )
    model, store = load_model(out), open_store(made)
    found = model.predict_store(store)
    assert len(found) == 40
    pd.testing.assert_frame_equal(load_model(out).predict_store(store), found, check_exact=True)
    few = model.predict_store(store, list(found.index[[3, 1]]))
    np.testing.assert_allclose(few.iloc[0, 1:].astype(float), found.iloc[3, 1:].astype(float), 1e-5)


def test_a_model_scaled_by_speaker_is_refused_for_frames(made, tmp_path):
    with pytest.raises(SettingsError, match=r"expected --standardise global .* head attentive"):
        fit(
            FitSettings(
                dataset="emodb",
                store=made,
                features=MIX,
                head="attentive",
                standardise="speaker",
                out=tmp_path / "model",
            )
        )


def test_weights_are_averaged_over_folds_and_seeds():
    table = pd.DataFrame(
        {"fold": list("abcde") * 2, "selected": [True] * 5 + [False] * 5, "mix_x": [0.2, 0.4] * 5}
    )
    (row,) = mix_rows([table, table])
    assert row["layer"] == "x"
    assert row["weight"] == pytest.approx(0.28)
    assert row["num_folds"] == 5
    assert row["weight_low"] < 0.28 < row["weight_high"]
    assert mix_rows([table.drop(columns="mix_x")]) == []
