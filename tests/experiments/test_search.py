"""What every head does, for every task: the conformance suite of heads and tasks."""

import numpy as np
import pandas as pd
import pytest

from tokser.config import GridSettings
from tokser.errors import SettingsError
from tokser.experiments.classification import Classification
from tokser.experiments.distribution import Distribution
from tokser.experiments.frames import TermFrames
from tokser.experiments.heads.registry import HEADS, find_head
from tokser.experiments.multilabel import MultiLabel
from tokser.experiments.regression import Regression
from tokser.experiments.results import PRESENT, SHARES
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import Split, make_splits
from tokser.experiments.training_data import TrainingData

pytestmark = pytest.mark.slow

GRID = GridSettings(batch_sizes=(4, 16), learning_rates=(1e-2,), hidden=(8, 6), epochs=4)
CLASSES = ("anger", "neutral", "sadness")
TASKS = {
    "classification": Classification(),
    "distribution": Distribution(),
    "multilabel": MultiLabel(),
    "regression": Regression(("valence",)),
    "concordance": Regression(("valence",), loss="concordance"),
}
SHOWN = {
    "distribution": ("logreg", "superb"),
    "multilabel": ("mlp",),
    "regression": ("ridge", "mlp-sklearn", "attentive"),
    "concordance": ("superb",),
}
CASES = [
    (name, head)
    for name, task in TASKS.items()
    for head in HEADS
    if task.loss in HEADS[head].losses and (name == "classification" or head in SHOWN[name])
]
"""Heads share their training: beside classification, some of them stand for all."""


class Case:
    """Four speakers, functionals that tell a little, and one head for one task."""

    def __init__(self, name: str, head: str, made_layer) -> None:
        self.made_layer = made_layer
        rng = np.random.default_rng(0)
        self.task, self.head, self.name = TASKS[name], HEADS[head], head
        ids = pd.Index([f"utt{i:02d}" for i in range(48)], name="id")
        labels = np.array([CLASSES[i % 3] for i in range(48)], dtype=object)
        values = rng.normal(size=(3, 10))[np.arange(48) % 3] + 1.1 * rng.normal(size=(48, 10))
        self.functionals = pd.DataFrame(values.astype(np.float32), index=ids)
        table = pd.DataFrame(
            {"label": labels, "speaker": [f"s{i % 4}" for i in range(48)], "session": ""},
            index=ids,
        )
        self.speakers = table["speaker"]
        self.splits = make_splits("speaker", table, seed=0)
        valence = 3 + values[:, :3].sum(axis=1) * 0.4
        one_hot = pd.get_dummies(table["label"]).astype(float)
        self.target = {
            "classification": table["label"],
            "distribution": 0.75 * one_hot + 0.25 / 3,
            "multilabel": ((one_hot + rng.random(one_hot.shape)) > 0.8).astype(float),
        }.get(name, pd.Series(valence, index=ids))

    def search(self, *, functionals=None, splits=None, target=None, grid=GRID, seed=0, **options):
        functionals = self.functionals if functionals is None else functionals
        frames, rounding = (), options.pop("rounding", None)
        if self.head.reads != "functionals":
            layer = self.made_layer(functionals)
            are_means = self.head.reads == "means"
            frames = tuple(
                TermFrames((layer,), are_means=are_means) for _ in self.head.kinds or ("speech",)
            )
            functionals = functionals[[]]
        data = TrainingData(
            self.task,
            functionals,
            self.target if target is None else target,
            self.splits if splits is None else splits,
            grid,
            seed,
            rounding=rounding,
            frames=frames,
        )
        return search(self.head, data, **options)

    @property
    def metric(self) -> str:
        return f"dev_{self.task.tables.metric}"


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case), scope="module")
def case(request, made_layer) -> Case:
    return Case(*request.param, made_layer)


@pytest.fixture(scope="module")
def result(case):
    return case.search()


def test_every_test_utterance_is_predicted_once(case, result):
    table = result.predictions
    assert sorted(table["id"]) == sorted(case.functionals.index)
    for row in table.to_dict("records"):
        own = case.target.loc[row["id"]]
        if isinstance(own, pd.Series):
            prefix = next(p for p in (SHARES, PRESENT) if f"{p}anger" in row)
            assert [row[f"{prefix}{name}"] for name in CLASSES] == own.tolist()
        else:
            assert own in (row.get("label"), row.get("truth"))
        assert row["fold"] == case.speakers[row["id"]]


def test_columns_are_those_of_the_tables(case, result):
    tables = case.task.tables
    assert set(result.trials) <= set(tables.grid.names)
    own = set(result.predictions) - set(tables.predictions.names)
    assert all(name.startswith(tables.predictions.more) for name in own)
    assert {name.split("_", 1)[1] for name in own} <= set(CLASSES)


def test_it_learns(case, result):
    assert case.task.fold_score(result.predictions) > 0.4


def test_each_fold_selects_the_first_best_of_its_own_dev(case, result):
    for _, trials in result.trials.groupby("fold"):
        (selected,) = trials.index[trials["selected"]]
        assert selected == trials[case.metric].idxmax()
    crossfit = result.trials[f"{case.metric}_crossfit"]
    assert crossfit.notna().tolist() == result.trials["selected"].tolist()
    assert list(result.on_dev(case.metric)) == ["s0", "s1", "s2", "s3"] or case.name == "mlp"


@pytest.mark.parametrize("refit", [True, False])
def test_all_models_are_counted(case, result, refit):
    counts = []
    again = case.search(refit=refit, on_models=counts.append)
    assert sum(counts) == case.head.num_models(4, GRID, refit=refit)
    assert len(again.trials) == case.head.num_models(4, GRID, refit=False)
    pd.testing.assert_frame_equal(again.trials, result.trials)


def test_dev_is_predicted_by_what_was_not_trained_on_it(case, result):
    refitted = case.search(predicts_dev=True)
    pd.testing.assert_frame_equal(refitted.predictions, result.predictions)
    assert result.dev is None
    pd.testing.assert_frame_equal(refitted.dev, case.search(refit=False, predicts_dev=True).dev)
    for split in case.splits:
        own = refitted.dev[refitted.dev["fold"] == split.fold]
        assert list(own["id"]) == list(split.dev)
    assert list(refitted.dev) == list(result.predictions)


def test_each_test_part_is_evaluated_once(case, result):
    evaluated = []
    case.search(before_test=lambda told: evaluated.extend((s.fold, params) for s, params in told))
    selected = result.trials[result.trials["selected"]].set_index("fold")
    assert [fold for fold, _ in evaluated] == ["s0", "s1", "s2", "s3"]
    for fold, params in evaluated:
        assert params == {name: selected.at[fold, name] for name in params}


def test_a_test_part_is_not_read_before_it_is_announced(case):
    class StopHereError(Exception):
        pass

    def stop(selected):
        raise StopHereError

    (split,) = case.splits[:1]
    without = case.functionals.drop(index=list(split.test))
    with pytest.raises(StopHereError):
        case.search(functionals=without, splits=[split], before_test=stop)


def test_test_values_do_not_reach_scaling_training_or_selection(case, result):
    (split,) = case.splits[:1]
    changed = case.functionals.copy()
    changed.loc[list(split.test)] = 1e6
    again = case.search(functionals=changed, splits=[split])
    own = result.trials[result.trials["fold"] == split.fold].reset_index(drop=True)
    np.testing.assert_allclose(again.trials[case.metric], own[case.metric])
    assert again.trials["selected"].tolist() == own["selected"].tolist()


def test_rows_are_joined_by_id(case, result):
    again = case.search(functionals=case.functionals.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(again.predictions, result.predictions)
    pd.testing.assert_frame_equal(again.trials, result.trials)


def test_columns_that_only_rounding_varies_reach_no_model(case):
    if case.head.reads != "functionals":
        return  # what rounding explains follows from the frames: see test_frames
    first = case.splits[:1]
    noise = np.random.default_rng(0).uniform(-1, 1, 48).astype(np.float32)
    blurred = case.functionals.assign(noise=noise)
    blurred.loc[list(first[0].test), "noise"] = 1e4
    errors = pd.DataFrame(0.0, index=blurred.index, columns=blurred.columns).assign(noise=1.0)
    found = case.search(functionals=blurred, rounding=errors, splits=first)
    assert (found.trials["num_constant"] == 1).all()
    changed = blurred.assign(noise=np.float32(7))
    same = case.search(functionals=changed, rounding=errors, splits=first)
    pd.testing.assert_frame_equal(found.predictions, same.predictions)


def test_the_seed_matters_where_a_head_says_so(case, result):
    other = case.search(seed=1)
    is_same = other.predictions.equals(result.predictions)
    assert is_same is not case.head.is_random


def test_a_split_of_one_fold_will_do(case):
    ids = case.functionals.index
    whole = Split("random", tuple(ids[:24]), tuple(ids[24:32]), tuple(ids[32:]))
    assert len(case.search(splits=[whole]).predictions) == 16


def test_a_target_that_only_test_has_breaks_nothing(case):
    rare = case.splits[0].test[0]
    target = case.target.copy()
    if isinstance(target, pd.DataFrame):
        table = case.search(
            target=target.assign(fear=0.0).sort_index(axis=1), splits=case.splits[:1]
        ).predictions
        assert np.isfinite(table["probability_fear"]).all()
        return
    target[rare] = "fear" if case.task.loss == "cross-entropy" else 99.0
    row = case.search(target=target, splits=case.splits[:1]).predictions.set_index("id").loc[rare]
    assert row["prediction"] != target[rare]


def test_probabilities_sum_to_1_and_decide_the_prediction(case, result):
    columns = [c for c in result.predictions if c.startswith("probability_")]
    if case.task.loss in ("squared error", "concordance"):
        assert columns == []
        return
    assert columns == [f"probability_{name}" for name in CLASSES]
    if case.task.loss == "binary cross-entropy":
        said = result.predictions[columns].to_numpy() >= 0.5
        names = ["+".join(np.array(CLASSES)[row]) for row in said]
        assert names == result.predictions["prediction"].tolist()
        return
    np.testing.assert_allclose(result.predictions[columns].sum(axis=1), 1, rtol=1e-6)
    best = result.predictions[columns].idxmax(axis=1).str.removeprefix("probability_")
    assert best.tolist() == result.predictions["prediction"].tolist()


@pytest.mark.parametrize(("task", "head"), [("regression", "svm"), ("classification", "ridge")])
def test_a_head_that_cannot_minimise_the_loss_is_refused(task, head):
    with pytest.raises(SettingsError, match=rf"expected a head for {task}: .*, got '{head}'"):
        find_head(head, TASKS[task])
