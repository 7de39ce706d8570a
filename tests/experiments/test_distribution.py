"""Shares of planted annotators, from the columns of a table to scores."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tokser.config import GridSettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.distribution import Distribution
from tokser.experiments.heads.logreg_targets import fit_shares
from tokser.experiments.heads.per_fold import Part
from tokser.experiments.heads.registry import find_head
from tokser.experiments.multilabel import MultiLabel
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.training_data import TrainingData

CLASSES = ("anger", "joy", "neutral")


@pytest.fixture(scope="module")
def planted():
    """Functionals of 240 utterances, and five annotators who say what a softmax of them gives."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(240, 4)).astype(np.float32)
    logits = values @ rng.normal(size=(4, 3)) * 1.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    votes = np.stack([rng.multinomial(5, own) for own in shares])
    ids = pd.Index([f"u{i:03d}" for i in range(240)], name="id")
    table = pd.DataFrame(votes.astype(str), index=ids, columns=[f"label_{c}" for c in CLASSES])
    table["speaker"] = [f"s{i % 6}" for i in range(240)]
    return pd.DataFrame(values, index=ids), table, shares


def scored(task, head, planted, grid):
    functionals, table, _ = planted
    usable = task.usable(table, splits_are_given=False)
    ids = list(usable.index)
    splits = [Split("1", tuple(ids[:120]), tuple(ids[120:160]), tuple(ids[160:]))]
    target = task.target_of(usable, task.targets[0])
    data = TrainingData(task, functionals, target, splits, grid, 0)
    found = search(find_head(head, task), data).predictions
    sums = task.unit_sums([found], SamplingUnits("speaker", usable["speaker"]), data.classes)
    rows, confusion = task.class_rows(sums, data.classes, [found])
    return task.test_scores(sums, [found]).columns, rows, confusion, found


GRID = GridSettings(batch_sizes=(16,), learning_rates=(1e-2,), hidden=(), epochs=20)


@pytest.mark.parametrize("head", ["logreg", "linear"])
def test_planted_shares_are_found(planted, head):
    scores, rows, confusion, found = scored(Distribution(), head, planted, GRID)
    assert scores["kl_divergence"] < 0.6 * scores["kl_divergence_chance"]
    assert scores["macro_f1_low"] < scores["macro_f1"] < scores["macro_f1_high"]
    assert scores["macro_f1"] > scores["macro_f1_chance"] > 0
    assert scores["accuracy"] > scores["accuracy_chance"]
    assert scores["n_plurality"] == (found["label"] != "").sum() < len(found)
    assert sum(row["count"] for row in confusion) == scores["n_plurality"]
    assert [row["label"] for row in rows] == list(CLASSES)
    probabilities = found[[f"probability_{c}" for c in CLASSES]].to_numpy()
    assert np.abs(probabilities - planted[2][160:]).mean() < 0.12


def test_rows_weighted_by_shares_are_as_good_as_repeated_ones(planted):
    functionals, table, _ = planted
    votes = table[[f"label_{c}" for c in CLASSES]].astype(int).to_numpy()
    values = functionals.to_numpy()
    part = Part(values, votes / 5.0, CLASSES)
    (found,) = fit_shares(part, penalty=1.0, is_balanced=False)
    rows, labels = [], []
    for own, row in zip(votes, values, strict=True):
        for count, name in zip(own, CLASSES, strict=True):
            rows += [row] * count
            labels += [name] * count
    # Five rows for each utterance: a fifth of C keeps the same weight of the penalty.
    peer = LogisticRegression(C=1.0 / 5, max_iter=5_000, tol=1e-8).fit(
        np.stack(rows).astype(float), labels
    )
    np.testing.assert_allclose(found.coef_, peer.coef_, atol=1e-4)


def test_the_network_and_logistic_regression_agree_on_shares(planted):
    grid = GridSettings(batch_sizes=(120,), learning_rates=(3e-2,), hidden=(), epochs=150)
    network = scored(Distribution(), "linear", planted, grid)[3]
    regression = scored(Distribution(), "logreg", planted, GRID)[3]
    columns = [f"probability_{name}" for name in CLASSES]
    difference = (network[columns] - regression[columns]).abs().to_numpy()
    assert difference.mean() < 0.03


@pytest.mark.parametrize("head", ["logreg", "mlp"])
def test_several_classes_at_once_are_found(planted, head):
    scores, rows, confusion, found = scored(MultiLabel(), head, planted, GRID)
    assert scores["mean_ap"] > scores["mean_ap_chance"] + 0.1
    assert scores["mean_ap_low"] < scores["mean_ap"] < scores["mean_ap_high"]
    assert confusion == []
    mean = np.mean([row["average_precision"] for row in rows])
    assert mean == pytest.approx(scores["mean_ap"])
    assert set(found["label"].str.split("+").explode()) == set(CLASSES)


def test_averages_are_of_probabilities(planted):
    tables = [scored(MultiLabel(), head, planted, GRID)[3] for head in ("logreg", "mlp")]
    found = MultiLabel().average(tables, None)
    columns = [f"probability_{name}" for name in CLASSES]
    expected = (tables[0][columns] + tables[1][columns]) / 2
    pd.testing.assert_frame_equal(found[columns], expected)
    said = ["+".join(np.array(CLASSES)[row]) for row in expected.to_numpy() >= 0.5]
    assert found["prediction"].tolist() == said


@pytest.mark.parametrize("head", ["svm", "mlp-sklearn", "sklearn.svm:SVC"])
def test_heads_that_cannot_are_refused_with_those_that_can(head):
    with pytest.raises(SettingsError, match=r"mlp, linear, logreg.*Name one of these"):
        find_head(head, Distribution())


def made(**columns):
    ids = pd.Index([f"u{i}" for i in range(len(next(iter(columns.values()))))], name="id")
    return pd.DataFrame(columns, index=ids, dtype=object)


def test_utterances_without_annotators_are_left_out(caplog):
    table = made(label_a=["1", "0", "2"], label_b=["1", "", "0"], label_c=["0", "0", "0"])
    with caplog.at_level("WARNING"):
        found = Distribution().usable(table, splits_are_given=False)
    assert list(found.index) == ["u0", "u2"]
    assert "1 utterances have no annotation and are left out: u1" in caplog.text
    assert "no annotator chose c" in caplog.text
    assert Distribution().labels(found).tolist() == ["a", "a"]


def test_a_store_without_shares_says_how_to_get_them():
    with pytest.raises(InputError, match="tokser manifest --annotations"):
        Distribution().usable(made(label=["a", "b"]), splits_are_given=False)


def test_strengths_above_0_are_classes_that_are_present(caplog):
    table = made(
        strength_joy=["0.33", "0", "", "2"],
        strength_fear=["0", "1", "", "0.1"],
        strength_anger=["1", "1", "", "1"],
    )
    with caplog.at_level("WARNING"):
        found = MultiLabel().usable(table, splits_are_given=False)
    assert MultiLabel().target_of(found, "classes").to_dict("list") == {
        "fear": [0, 1, 1],
        "joy": [1, 0, 1],
    }
    assert "anger: present always or never" in caplog.text
    assert MultiLabel().labels(found).tolist() == ["joy", "fear", "fear"]
    for table in (made(label_a=["x", "1"], label_b=["0", "1"]), made(label_a=["1", "0"])):
        with pytest.raises(InputError, match="--labels multilabel"):
            MultiLabel().usable(table, splits_are_given=False)
