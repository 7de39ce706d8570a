import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.config import GridSettings
from tokser.experiments.heads.mlp import groups
from tokser.experiments.heads.mlp.groups import (
    Selected,
    plan_groups,
    plan_refits,
    train_group,
    train_groups,
)
from tokser.experiments.search import search_layers
from tokser.experiments.splits.protocols import make_splits
from tokser.experiments.training_data import Material, Member

GRID = GridSettings(batch_sizes=(4, 16), learning_rates=(1e-3, 1e-2), hidden=(8, 6), epochs=3)
CLASSES = ("anger", "neutral", "sadness")


def make_material(grid=GRID) -> Material:
    rng = np.random.default_rng(0)
    ids = pd.Index([f"utt{i:02d}" for i in range(48)], name="id")
    labels = [CLASSES[i % 3] for i in range(48)]
    table = pd.DataFrame(
        {"label": labels, "speaker": [f"s{i % 4}" for i in range(48)], "session": ""}, index=ids
    )
    layers = [
        pd.DataFrame(rng.normal(size=(48, 10)).astype(np.float32), index=ids) for _ in range(2)
    ]
    splits = make_splits("speaker", table, seed=0)
    return Material(layers, [None] * 2, table["label"], splits, grid, 0, torch.device("cpu"))


@pytest.fixture(params=["stacked", "compiled"])
def material(request, monkeypatch) -> Material:
    monkeypatch.setattr(groups, "COMPILED_WORK", 0 if request.param == "compiled" else np.inf)
    return make_material()


def same(first, second):
    assert first.best_epoch == second.best_epoch
    assert first.dev_uar == second.dev_uar
    assert first.best.keys() == second.best.keys()
    for own, other in zip(first.halves, second.halves, strict=True):
        np.testing.assert_array_equal(own.reached, other.reached)
        np.testing.assert_array_equal(own.others, other.others)
    for member, model in first.best.items():
        peer = second.best[member]
        assert model.learning_rates == peer.learning_rates
        assert all(torch.equal(a, b) for a, b in zip(model.stack, peer.stack, strict=True))


def some_selected(material):
    """A point and a schedule for each layer and fold, as if dev had selected it."""
    return {
        Member(table, fold, (table + fold) % 4): Selected([], (1e-2,) * (1 + fold))
        for table in range(2)
        for fold in range(4)
    }


def test_every_model_is_in_one_group(material):
    members = [member for group in plan_groups(material) for member in group.members]
    assert len(members) == len(set(members)) == 2 * 4 * 4


def test_what_was_selected_is_in_one_refit_with_its_own_rates(material):
    selected, planned = some_selected(material), plan_refits(material, some_selected(material))
    told = [pair for g in planned for pair in zip(g.members, g.learning_rates, strict=True)]
    assert len(told) == len(selected) == 8
    assert dict(told) == {member: model.learning_rates for member, model in selected.items()}
    assert all(group.is_refit for group in planned)
    assert not any(group.is_refit for group in plan_groups(material))


def test_stacked_models_share_shape_and_batch_size(monkeypatch):
    grid = GRID.model_copy(update={"hidden": ((8, 6), ())})
    material = make_material(grid)
    monkeypatch.setattr(groups, "GROUP_BYTES", 5 * groups.stack_bytes(material.points, 10, 3))
    planned = plan_groups(material)
    for group in planned:
        points = [material.points[member.point] for member in group.members]
        assert len({(point.batch_size, point.hidden) for point in points}) == 1
    assert max(len(group.members) for group in planned if not group.is_compiled) >= 5
    narrow = [g for g in planned if material.points[g.members[0].point].hidden == ()]
    assert len(narrow[0].members) > 5  # smaller models, larger groups


def test_compiling_is_for_work_that_repays_it():
    material = make_material()
    assert not any(group.is_compiled for group in plan_groups(material))
    wide = pd.DataFrame(np.zeros((48, 100_000), np.float32), index=material.labels.index)
    grid = GRID.model_copy(update={"epochs": 300})
    large = Material([wide], [None], material.labels, material.splits, grid, 0, material.device)
    assert all(group.is_compiled for group in plan_groups(large))


def test_a_group_trained_on_its_own_in_another_process_has_the_same_bits(material):
    planned = [*plan_groups(material), *plan_refits(material, some_selected(material))]
    together = list(train_groups(material, planned, lambda count: None))
    assert [group for group, _ in together] == planned
    for group, outcome in together:
        sent = pickle.loads(pickle.dumps((material, group)))
        received = pickle.loads(pickle.dumps(train_group(*sent)))
        same(outcome, received)


def test_threads_do_not_matter(monkeypatch):
    monkeypatch.setattr(groups, "COMPILED_WORK", 0)
    material = make_material()
    found = []
    for num_threads in (1, 3):
        torch.set_num_threads(num_threads)
        found.append(list(train_groups(material, plan_groups(material), lambda count: None)))
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


def test_a_search_spread_over_workers_finds_the_same_bytes(material):
    names = {"a": material.tables[0], "b": material.tables[1]}
    rest = (material.labels, material.splits, material.grid)
    options = {"seed": 0, "device": material.device}
    counts, workers = [], Elsewhere()
    here = search_layers(names, *rest, **options)
    there = search_layers(names, *rest, **options, workers=workers, on_models=counts.append)
    assert sum(counts) == 2 * 4 * (4 + 1)
    assert len(workers.sent) > len(plan_groups(material))  # refits are sent, too
    for name in names:
        pd.testing.assert_frame_equal(here[name].trials, there[name].trials, check_exact=True)
        pd.testing.assert_frame_equal(
            here[name].predictions, there[name].predictions, check_exact=True
        )


def test_a_worker_gets_the_tables_of_its_group_alone(monkeypatch):
    monkeypatch.setattr(groups, "COMPILED_WORK", 0)
    material = make_material()
    group = plan_groups(material)[-1]
    assert [len(table) for table in material.part(group.members).tables] == [0, 48]


def test_an_error_in_a_thread_comes_out_and_ends_the_others(monkeypatch):
    from tokser.experiments.heads.mlp import per_model as resident

    def fail(*args, **kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(groups, "COMPILED_WORK", 0)
    monkeypatch.setattr(resident, "train_resident", fail)
    material = make_material()
    with pytest.raises(RuntimeError, match="broken"):
        list(train_groups(material, plan_groups(material), lambda count: None))
