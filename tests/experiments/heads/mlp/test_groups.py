import pickle
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.config import GridSettings
from tokser.experiments.classification import Classification
from tokser.experiments.grid import Point
from tokser.experiments.heads.mlp import groups
from tokser.experiments.heads.mlp.groups import (
    Member,
    TrainedModel,
    model_bytes,
    plan_groups,
    plan_refits,
    train_group,
    train_groups,
)
from tokser.experiments.heads.mlp.model import initialise
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import make_splits
from tokser.experiments.training_data import TrainingData

pytestmark = pytest.mark.slow

GRID = GridSettings(batch_sizes=(4, 16), learning_rates=(1e-3, 1e-2), hidden=(8, 6), epochs=3)
CLASSES = ("anger", "neutral", "sadness")


def make_data(grid=GRID) -> TrainingData:
    rng = np.random.default_rng(0)
    ids = pd.Index([f"utt{i:02d}" for i in range(48)], name="id")
    labels = [CLASSES[i % 3] for i in range(48)]
    table = pd.DataFrame(
        {"label": labels, "speaker": [f"s{i % 4}" for i in range(48)], "session": ""}, index=ids
    )
    functionals = pd.DataFrame(rng.normal(size=(48, 10)).astype(np.float32), index=ids)
    splits = make_splits("speaker", table, seed=0)
    return TrainingData(Classification(), functionals, table["label"], splits, grid, seed=0)


@pytest.fixture(params=["batched", "compiled"])
def data(request, monkeypatch) -> TrainingData:
    monkeypatch.setattr(groups, "COMPILED_WORK", 0 if request.param == "compiled" else np.inf)
    return make_data()


def same(first, second):
    assert first.best_epoch == second.best_epoch
    assert first.dev_score == second.dev_score
    assert first.best.keys() == second.best.keys()
    for own, other in zip(first.halves, second.halves, strict=True):
        np.testing.assert_array_equal(own.reached, other.reached)
        np.testing.assert_array_equal(own.others, other.others)
    for member, model in first.best.items():
        peer = second.best[member]
        assert model.learning_rates == peer.learning_rates
        assert all(
            torch.equal(a, b) for a, b in zip(model.parameters, peer.parameters, strict=True)
        )


def some_selected(data):
    """A point and a schedule for each fold, as if dev had selected it."""
    return {
        Member(fold, (1 + fold) % 4): TrainedModel([], (1e-2,) * (1 + fold)) for fold in range(4)
    }


def test_every_model_is_in_one_group(data):
    members = [member for group in plan_groups(data) for member in group.members]
    assert len(members) == len(set(members)) == 4 * 4


def test_what_was_selected_is_in_one_refit_with_its_own_rates(data):
    selected, planned = some_selected(data), plan_refits(data, some_selected(data))
    told = [pair for g in planned for pair in zip(g.members, g.learning_rates, strict=True)]
    assert len(told) == len(selected) == 4
    assert dict(told) == {member: model.learning_rates for member, model in selected.items()}
    assert all(group.is_refit for group in planned)
    assert not any(group.is_refit for group in plan_groups(data))


def test_batched_models_share_shape_and_batch_size(monkeypatch):
    grid = GRID.model_copy(update={"hidden": ((8, 6), ())})
    data = make_data(grid)
    monkeypatch.setattr(groups, "GROUP_BYTES", 5 * groups.model_bytes(data.points, 10, 3))
    planned = plan_groups(data)
    for group in planned:
        points = [data.points[member.point] for member in group.members]
        assert len({(point.batch_size, point.hidden) for point in points}) == 1
    assert max(len(group.members) for group in planned if not group.is_compiled) >= 5
    narrow = [g for g in planned if data.points[g.members[0].point].hidden == ()]
    assert len(narrow[0].members) > 5  # smaller models, larger groups


def test_compiling_is_for_work_that_repays_it():
    data = make_data()
    assert not any(group.is_compiled for group in plan_groups(data))
    wide = pd.DataFrame(np.zeros((48, 100_000), np.float32), index=data.target.index)
    grid = GRID.model_copy(update={"epochs": 300})
    large = replace(data, functionals=wide, grid=grid)
    assert all(group.is_compiled for group in plan_groups(large))


def test_a_group_in_another_process_has_the_same_bits(data):
    planned = [*plan_groups(data), *plan_refits(data, some_selected(data))]
    together = list(train_groups(data, planned, lambda count: None))
    assert [group for group, _ in together] == planned
    for group, outcome in together:
        sent = pickle.loads(pickle.dumps((data, group)))
        received = pickle.loads(pickle.dumps(train_group(*sent)))
        same(outcome, received)


def test_threads_do_not_matter(monkeypatch):
    monkeypatch.setattr(groups, "COMPILED_WORK", 0)
    data = make_data()
    found = []
    for num_threads in (1, 3):
        torch.set_num_threads(num_threads)
        found.append(list(train_groups(data, plan_groups(data), lambda count: None)))
        assert torch.get_num_threads() == num_threads
    for (_, first), (_, second) in zip(*found, strict=True):
        same(first, second)


class Elsewhere:
    """Workers that get and give copies, and are done in another order."""

    def __init__(self):
        self.sent = []

    def map(self, task, items):
        for item in reversed(list(items)):
            self.sent.append(pickle.dumps((task, item)))
            function, own = pickle.loads(self.sent[-1])
            yield item, pickle.loads(pickle.dumps(function(own)))


def test_a_search_spread_over_workers_finds_the_same_bytes(data):
    counts, workers = [], Elsewhere()
    here = search(HEADS["mlp"], data)
    there = search(HEADS["mlp"], data, workers=workers, on_models=counts.append)
    assert sum(counts) == 4 * (4 + 1)
    assert len(workers.sent) > len(plan_groups(data))  # refits are sent, too
    pd.testing.assert_frame_equal(here.trials, there.trials, check_exact=True)
    pd.testing.assert_frame_equal(here.predictions, there.predictions, check_exact=True)


def test_without_numba_the_batched_trainer_takes_all(monkeypatch, capsys):
    data = make_data()
    plain = search(HEADS["mlp"], data)
    monkeypatch.setattr(groups, "COMPILED_WORK", 0)
    assert all(group.is_compiled for group in plan_groups(data))
    groups._has_compiler.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)  # as if it were not installed
    result = search(HEADS["mlp"], data)
    groups._has_compiler.cache_clear()
    pd.testing.assert_frame_equal(result.predictions, plain.predictions, check_exact=True)
    assert capsys.readouterr().err.count("numba is not installed: the batched trainer") == 1


def test_an_error_in_a_thread_comes_out_and_ends_the_others(monkeypatch):
    from tokser.experiments.heads.mlp import per_model

    def fail(*args, **kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(groups, "COMPILED_WORK", 0)
    monkeypatch.setattr(per_model, "train_per_model", fail)
    data = make_data()
    with pytest.raises(RuntimeError, match="broken"):
        list(train_groups(data, plan_groups(data), lambda count: None))


def test_bytes_are_those_of_five_copies_of_the_weights():
    parameters = initialise((10, 8, 4, 3), [(0,)])
    weights = sum(p.numel() for p in parameters if p.shape[1] > 1)
    assert model_bytes([Point(4, 1e-3, (8, 4)), Point(4, 1e-3, ())], 10, 3) == 5 * 4 * weights
