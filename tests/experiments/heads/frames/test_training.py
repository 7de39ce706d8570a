"""Points that are trained side by side are what each of them is alone, by torch's own modules."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
import torch

from tokser.config import GridSettings
from tokser.experiments.heads.frames.fold import FrameFold, frame_fold
from tokser.experiments.heads.frames.groups import (
    FrameGroup,
    Member,
    Trainer,
    model_of,
    plan_groups,
    plan_refits,
)
from tokser.experiments.heads.frames.model import FrameModel
from tokser.experiments.heads.frames.training import refit_points, train_points
from tokser.experiments.heads.registry import HEADS

from .conftest import GRID
from .plain import PlainHead, assert_alike, train_alone

CPU = torch.device("cpu")
FRAME_HEADS = ("superb", "emobox", "attentive", "transformer", "cross-attention")


@dataclass(frozen=True)
class DoubleModel(FrameModel):
    """In float64, where two ways of the same arithmetic stay together for many steps."""

    def draw(self, seed):
        return {name: values.double() for name, values in super().draw(seed).items()}


@dataclass(frozen=True)
class DoubleFold(FrameFold):
    def read(self, ids):
        return [batch._replace(rows=batch.rows.double()) for batch in super().read(ids)]


def prepared(name, data, *, with_dev=False):
    """Return head and fold in float64."""
    model = model_of(HEADS[name].trained_as.pooling, data)
    fold = frame_fold(data, 0, with_dev=with_dev)
    double = DoubleModel(*(getattr(model, f.name) for f in fields(model)))
    return double, DoubleFold(*(getattr(fold, f.name) for f in fields(fold)))


def one_group(data):
    return plan_groups(data, (data.seed,))[0]


def compare(name, data, **training):
    """Train all points of a fold, and each alone; compare everything."""
    model, fold = prepared(name, data)
    seeds = (data.seed, data.seed, 11)
    rates = (*data.grid.learning_rates, data.grid.learning_rates[0])
    options = {"seeds": seeds, "batch_size": 8, "grid": data.grid, "device": CPU}
    found = train_points(model, fold, rates, task=data.task, classes=data.classes, **options)
    for trained, rate, seed in zip(found, rates, seeds, strict=True):
        plain = PlainHead(name, model, model.draw((seed, 0)), trained.weights.scaling)
        best, best_epoch, parameters = train_alone(
            plain, fold, rate, data.grid, batch_size=8, **training
        )
        assert abs(trained.dev_score - best) < 1e-12
        assert trained.best_epoch == best_epoch
        assert_alike(trained.weights.parameters, parameters)


@pytest.mark.parametrize("name", FRAME_HEADS)
def test_points_and_seeds_together_are_each_alone(name, make_data):
    compare(name, make_data((2, 1)))


@pytest.mark.parametrize(("name", "heads"), [("attentive", 3), ("transformer", 4)])
def test_several_attention_heads_and_blocks(name, heads, make_data):
    compare(name, make_data((2,), attention_heads=heads, blocks=2, layer_norm=True))


def test_weight_decay_and_label_smoothing_are_those_of_torch(make_data):
    data = make_data(weight_decay=0.1, label_smoothing=0.2)
    compare("attentive", data, weight_decay=0.1, smoothing=0.2)


@pytest.mark.parametrize("name", ["superb", "emobox"])
def test_in_float32_each_parameter_is_within_1e_5(name, make_data):
    data = make_data()
    (trained, _) = Trainer(HEADS[name].trained_as, data).search(one_group(data))
    model, fold = model_of(HEADS[name].pooling, data), frame_fold(data, 0)
    plain = PlainHead(name, model, model.draw((data.seed, 0)))
    *_, parameters = train_alone(plain, fold, 1e-2, data.grid, batch_size=8)
    assert_alike(trained.weights.parameters, parameters, tolerance=1e-5)


def test_a_refit_follows_the_schedule_on_train_and_dev(make_data):
    data = make_data((2,))
    (trained, _) = Trainer(HEADS["attentive"].trained_as, data).search(one_group(data))
    (group,) = plan_refits(data, {(data.seed, 0): (0, trained)})
    assert group == FrameGroup(0, 8, (Member(data.seed, 0, trained.learning_rates),))
    model, fold = prepared("attentive", data, with_dev=True)
    assert fold.train.ids == (*data.splits[0].train, *data.splits[0].dev)
    rates = ((1e-2, 1e-2, 1e-2), (1e-2,))
    found = refit_points(model, fold, rates, seeds=(3, 4), batch_size=8, device=CPU)
    for weights, own, seed in zip(found, rates, (3, 4), strict=True):
        plain = PlainHead("attentive", model, model.draw((seed, 0)), weights.scaling)
        unchanging = GridSettings(epochs=len(own), plateau_patience=len(own))
        train_alone(plain, replace(fold, dev=fold.train), own[0], unchanging, batch_size=8)
        assert_alike(weights.parameters, {k: p.detach() for k, p in plain.places.items()})


def test_refits_of_a_batch_size_train_together_longest_first(make_data):
    data = make_data(grid=GRID.model_copy(update={"batch_sizes": (8, 16)}))
    point = Trainer(HEADS["superb"].trained_as, make_data(are_means=True)).search(one_group(data))[
        0
    ]
    short, long = (replace(point, learning_rates=(1e-2,) * n) for n in (1, 2))
    selected = {(3, 0): (0, short), (4, 0): (1, long), (5, 0): (2, short), (3, 1): (0, long)}
    first, second, third = plan_refits(data, selected, most=12)
    assert first == FrameGroup(0, 8, (Member(4, 1, (1e-2,) * 2), Member(3, 0, (1e-2,))))
    assert second == FrameGroup(0, 16, (Member(5, 2, (1e-2,)),))
    assert third.fold == 1


@pytest.mark.parametrize(
    ("most", "num_seeds", "ensemble", "sizes"),
    [
        (12, 1, 1, [1]),
        (12, 6, 1, [6]),
        (12, 7, 1, [4, 3]),
        (12, 3, 4, [1, 1, 1]),
        (12, 2, 50, [1, 1]),
        (1, 3, 1, [1, 1, 1]),
    ],
)
def test_so_many_seeds_share_a_group_as_memory_allows(most, num_seeds, ensemble, sizes, make_data):
    data = make_data(ensemble=ensemble)
    groups = [own for own in plan_groups(data, range(num_seeds), most) if own.fold == 0]
    assert [len(set(own.seeds)) for own in groups] == sizes
    assert sorted(seed for own in groups for seed in set(own.seeds)) == list(range(num_seeds))
    assert all([own.rates for own in group.members[:2]] == [(1e-2,), (3e-3,)] for group in groups)


@pytest.mark.parametrize(
    ("name", "layers", "shares"),
    [
        ("attentive", 1, True),
        ("emobox", 1, True),
        ("emobox", 2, False),
        ("superb", 2, True),
        ("transformer", 1, False),
    ],
)
def test_seeds_share_a_group_where_models_share_frames(name, layers, shares, make_data):
    data = make_data((layers,), are_means=name == "superb")
    assert (Trainer(HEADS[name].trained_as, data).most_together > 1) is shares


def test_means_of_frames_give_superb_the_same_weights(make_data):
    trainer, found = HEADS["superb"].trained_as, []
    for are_means in (True, False):
        data = make_data((3,), are_means=are_means)
        fold = frame_fold(make_data((3,), are_means=True), 0)
        scaled = fold.scaling  # where means are read, all utterances count the same
        terms = tuple(
            term if are_means else fixed_scaling(term, scaled[number])
            for number, term in enumerate(data.frames)
        )
        data = replace(data, frames=terms)
        found.append(Trainer(trainer, data).search(one_group(data)))
    for by_means, by_frames in zip(*found, strict=True):
        assert by_means.best_epoch == by_frames.best_epoch
        for name, values in by_means.weights.parameters.items():
            other = by_frames.weights.parameters[name]
            assert (values - other).norm() <= 1e-5 * max(other.norm(), 1e-3)


def fixed_scaling(term, scaling):
    class Fixed(type(term)):
        def scaling(self, ids):
            return scaling

    return Fixed(**{f.name: getattr(term, f.name) for f in fields(term)})


def test_dropout_is_the_same_for_every_point(make_data):
    together = make_data(dropout=0.5)
    grid = together.grid.model_copy(update={"learning_rates": (3e-3,)})
    alone = make_data(dropout=0.5, grid=grid)
    trainer = HEADS["attentive"].trained_as
    _, second = Trainer(trainer, together).search(one_group(together))
    (only,) = Trainer(trainer, alone).search(one_group(alone))
    for name, values in only.weights.parameters.items():
        torch.testing.assert_close(values, second.weights.parameters[name], rtol=1e-4, atol=1e-5)


def test_an_ensemble_averages_networks_with_other_weights(make_data):
    data = make_data(ensemble=3)
    (trained, _) = Trainer(HEADS["emobox"].trained_as, data).search(one_group(data))
    weight = trained.weights.parameters["output.weight"]
    assert len(weight) == 3
    assert not torch.equal(weight[0], weight[1])
    single = make_data()
    (alone, _) = Trainer(HEADS["emobox"].trained_as, single).search(one_group(single))
    assert alone.weights.parameters["output.weight"].shape == (1, *weight.shape[1:])


def test_early_stopping_ends_a_point(make_data):
    grid = GridSettings(batch_sizes=(8,), learning_rates=(1e-9,), epochs=30, early_stopping=2)
    data = make_data(grid=grid)
    (trained,) = Trainer(HEADS["attentive"].trained_as, data).search(one_group(data))
    assert trained.best_epoch == 1
    assert np.isfinite(trained.dev_score)
