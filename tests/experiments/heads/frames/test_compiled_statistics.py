import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tokser.config import FrameHeadSettings
from tokser.device import one_thread
from tokser.experiments.heads import attentive
from tokser.experiments.heads.attentive import AttentivePooling
from tokser.experiments.heads.frames.compiled_statistics import (
    compiled_statistics,
    has_compiler,
    suits_compiled,
)
from tokser.experiments.heads.frames.groups import Trainer, plan_groups, plan_refits
from tokser.experiments.heads.frames.model import no_dropout
from tokser.experiments.heads.frames.ragged import LEAST_VARIANCE
from tokser.experiments.heads.registry import HEADS

from .plain import assert_within_bf16

pytestmark = pytest.mark.skipif(not has_compiler(), reason="no numba, or no AVX-512")
LENGTHS, WIDE, NARROW = (3, 1, 40, 4, 7), 64, 16


def drawn(models, heads, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    shapes = ((WIDE, NARROW), (1, NARROW), (NARROW, heads))
    rows = torch.randn(1, sum(LENGTHS), WIDE, generator=generator)
    drawn = [scale * torch.randn(models, *shape, generator=generator) for shape in shapes]
    return rows, [values.requires_grad_() for values in drawn]


def plain(rows, parameters, lengths=LENGTHS):
    names = ("attention.weight", "attention.bias", "score")
    options = FrameHeadSettings(attention_heads=parameters[-1].shape[-1])
    shown = dict(zip(names, parameters, strict=True))
    return AttentivePooling().pool(shown, rows, lengths, options, no_dropout)


def error(found, expected):
    """Largest error of means, and of variances as shares of the second moments they come from.

    A variance is the difference of the second moment and the square of the mean: where frames are
    nearly alike, both are, and rounding of the first is an error of the deviation many times it.
    """
    (mean, deviation), (right, spread) = (
        own.detach().double().chunk(2, dim=-1) for own in (found, expected)
    )
    variance = (deviation.square() - spread.square()).abs()
    shares = variance / (right.square() + spread.square())
    return max(float((mean - right).abs().max()), float(shares.max()))


def assert_same(rows, parameters, lengths=LENGTHS, tolerance=2e-6):
    found = compiled_statistics(rows, *parameters, lengths)
    expected = plain(rows.double(), [own.double() for own in parameters], lengths)
    assert found.dtype == torch.float32
    assert error(found, expected) < tolerance
    assert error(found, expected) < 2 * error(plain(rows, parameters, lengths), expected)
    towards = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    gradients = (
        torch.autograd.grad((own * towards).sum(), parameters) for own in (found, expected)
    )
    for own, right in zip(*gradients, strict=True):
        assert (own - right).norm() < 1e-5 * right.norm()


@pytest.mark.parametrize("models", [1, 2, 3, 7])
@pytest.mark.parametrize("heads", [1, 3])
def test_values_and_gradients_are_those_of_torch(models, heads):
    assert_same(*drawn(models, heads, 0.3))


def test_many_frames_and_saturated_units():
    rows = torch.randn(1, 1500, WIDE, generator=torch.Generator().manual_seed(2))
    assert_same(rows, drawn(2, 1, 0.3)[1], (1300, 200))
    assert_same(*drawn(2, 1, 3.0), tolerance=1e-5)


def test_utterances_of_one_frame_get_no_gradient_of_their_deviation():
    rows, parameters = drawn(2, 1, 0.3)
    found = compiled_statistics(rows[:, :3].contiguous(), *parameters, (1, 1, 1))
    torch.testing.assert_close(found[..., :WIDE], rows[:, :3].expand(2, -1, -1))
    assert (found[..., WIDE:] == LEAST_VARIANCE**0.5).all()
    gradients = torch.autograd.grad(found.sum(), parameters)
    assert all(bool((own == 0).all()) for own in gradients)


def test_bf16_stays_within_its_rounding():
    rows, parameters = drawn(3, 1, 0.2)
    found = compiled_statistics(rows, *parameters, LENGTHS, rows[0].bfloat16())
    assert_within_bf16(found, plain(rows, parameters), parameters)


def test_frames_that_are_not_finite_are_not_hidden():
    rows, parameters = drawn(2, 1, 0.3)
    rows[0, 5, 7] = np.nan
    found = compiled_statistics(rows, *parameters, LENGTHS)
    assert found[:, 2].isnan().any(dim=-1).all()
    assert found[:, 3].isfinite().all()


def test_what_it_is_for():
    rows, (weight, *_) = drawn(2, 1)
    assert suits_compiled(rows, weight)
    assert not suits_compiled(rows.double(), weight.double())
    assert not suits_compiled(rows.expand(2, -1, -1), weight)
    assert not suits_compiled(rows[..., :33].contiguous(), weight)
    assert not suits_compiled(rows.clone().requires_grad_(), weight)


def test_little_work_is_not_compiled():
    own = AttentivePooling()
    assert own.for_work(1e4) is own
    assert own.for_work(1e9).is_compiled


@pytest.mark.parametrize("options", [{}, {"dropout": 0.2, "attention_heads": 2}])
@pytest.mark.parametrize("layers", [(1,), (2, 1)])
def test_whole_trainings_are_those_of_torch(options, layers, make_data, monkeypatch):
    data = make_data(layers, dim=WIDE, **options)
    found = []
    for work in (np.inf, 0):
        monkeypatch.setattr(attentive, "COMPILED_WORK", work)
        trainer = Trainer(HEADS["attentive"].trained_as, data)
        group = plan_groups(data, (3, 4), trainer.most_together)[0]
        points = trainer.search(group)
        selected = {(3, 0): (0, points[0])}
        (refit,) = plan_refits(data, selected)
        found.append([own.weights for own in points] + trainer.refit(refit))
    for slow, fast in zip(*found, strict=True):
        for name, values in fast.parameters.items():
            right = slow.parameters[name]
            assert (values - right).norm() <= 1e-3 * max(right.norm(), 1e-2), name


def test_threads_do_not_change_a_bit(make_data, monkeypatch):
    data = make_data((1,), dim=WIDE, training_precision="bf16")
    monkeypatch.setattr(attentive, "COMPILED_WORK", 0)
    trainer = Trainer(HEADS["attentive"].trained_as, data)
    groups = plan_groups(data, (3, 4, 5), trainer.most_together)[:2]
    assert [own.fold for own in groups] == [0, 1]
    alone = [trainer.search(own) for own in groups]
    begin = threading.Barrier(len(groups))

    def search(group):
        begin.wait(timeout=60)
        return trainer.search(group)

    with one_thread(), ThreadPoolExecutor(len(groups)) as pool:
        together = list(pool.map(search, groups))
    for first, second in zip(alone, together, strict=True):
        for one, other in zip(first, second, strict=True):
            assert one.dev_score == other.dev_score
            for name, values in one.weights.parameters.items():
                assert torch.equal(values, other.weights.parameters[name]), name
