"""Every loss against autograd, finite differences, and an independent formulation."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss
from torch.nn import functional

from tokser.experiments.heads.losses import LOSSES
from tokser.experiments.statistics.metrics import ccc
from tokser.experiments.task import TargetScale

CLASSES = ("a", "b", "c", "d")


def batch(name, *, size=9, seed=0):
    """Outputs of two models, and a target, in float64."""
    generator = torch.Generator().manual_seed(seed)
    width = 1 if LOSSES[name].activation == "number" else 4
    outputs = torch.randn(2, size, width, generator=generator, dtype=torch.float64)
    shares = torch.rand(size, 4, generator=generator, dtype=torch.float64)
    target = {
        "cross-entropy": torch.randint(4, (size,), generator=generator),
        "cross-entropy on shares": shares / shares.sum(dim=1, keepdim=True),
        "binary cross-entropy": (shares > 0.6).double(),
    }.get(name, torch.randn(size, generator=generator, dtype=torch.float64))
    return outputs, target


def importance_of(name, target, *, is_balanced):
    found = LOSSES[name].importance(target.numpy(), 4, is_balanced=is_balanced)
    return torch.from_numpy(found).double()


def errors(name, outputs, target, importance, num_chosen=None):
    loss, (models, size, _) = LOSSES[name], outputs.shape
    several = target.expand(models, *target.shape)
    own = importance.expand(models, *importance.shape)
    is_chosen = (torch.arange(size) < (num_chosen or size)).expand(models, size)
    weights = loss.weights(several, own, is_chosen).double()
    return loss.error(outputs, several, weights, own)


@pytest.mark.parametrize("is_balanced", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_errors_are_the_gradients_of_the_loss(name, is_balanced):
    outputs, target = batch(name)
    importance = importance_of(name, target, is_balanced=is_balanced)
    own = outputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(LOSSES[name].total(own, target, importance), own)
    found = errors(name, outputs, target, importance)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_errors_are_what_small_steps_make_of_the_loss(name):
    outputs, target = batch(name, size=4)
    importance = importance_of(name, target, is_balanced=True)
    found, step = errors(name, outputs, target, importance), 1e-5
    for place in np.ndindex(*outputs.shape):
        moved = []
        for sign in (1, -1):
            near = outputs.clone()
            near[place] += sign * step
            moved.append(float(LOSSES[name].total(near, target, importance)))
        assert float(found[place]) == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_padding_neither_counts_nor_learns(name):
    outputs, target = batch(name)
    importance = importance_of(name, target, is_balanced=False)
    found = errors(name, outputs, target, importance, num_chosen=5)
    alone = errors(name, outputs[:, :5], target[:5], importance)
    torch.testing.assert_close(found[:, :5], alone, rtol=1e-6, atol=1e-9)
    assert not found[:, 5:].any()


def test_shares_of_one_class_are_its_label():
    outputs, labels = batch("cross-entropy")
    shares = functional.one_hot(labels, 4).double()
    for is_balanced in (False, True):
        weights = importance_of("cross-entropy", labels, is_balanced=is_balanced)
        on_shares = importance_of("cross-entropy on shares", shares, is_balanced=is_balanced)
        torch.testing.assert_close(weights, on_shares)
        torch.testing.assert_close(
            errors("cross-entropy", outputs, labels, weights),
            errors("cross-entropy on shares", outputs, shares, on_shares),
        )
    for smoothing in (0.0, 0.1):
        torch.testing.assert_close(
            LOSSES["cross-entropy"].total(outputs[:1], labels, torch.ones(4), smoothing),
            LOSSES["cross-entropy on shares"].total(outputs[:1], shares, torch.ones(4), smoothing),
        )


def test_shares_are_weighted_rows_of_single_labels():
    outputs, shares = batch("cross-entropy on shares")
    rows, labels = np.nonzero(shares.numpy() > 0)
    probabilities = outputs[0].softmax(dim=-1).numpy()
    expected = log_loss(
        labels, probabilities[rows], sample_weight=shares.numpy()[rows, labels], labels=range(4)
    )
    found = LOSSES["cross-entropy on shares"].total(outputs[:1], shares, torch.ones(4))
    assert float(found) == pytest.approx(expected)


def test_binary_cross_entropy_is_that_of_torch():
    outputs, target = batch("binary cross-entropy")
    plain = torch.ones(4, 2, dtype=torch.float64)
    found = LOSSES["binary cross-entropy"].total(outputs[:1], target, plain)
    expected = functional.binary_cross_entropy_with_logits(outputs[0], target)
    torch.testing.assert_close(found, expected)


def test_the_concordance_loss_is_1_minus_the_score():
    outputs, target = batch("concordance")
    found = LOSSES["concordance"].total(outputs[:1], target, torch.ones(1))
    score = ccc(target.numpy(), outputs[0, :, 0].numpy())
    assert float(found) == pytest.approx(1 - score)


@pytest.mark.parametrize("size", [1, 3])
def test_concordance_of_what_does_not_vary_teaches_nothing(size):
    outputs = torch.zeros(1, size, 1, dtype=torch.float64)
    found = errors("concordance", outputs, torch.zeros(size, dtype=torch.float64), torch.ones(1))
    assert torch.equal(found, torch.zeros_like(found))


def test_balanced_classes_weigh_by_the_sum_of_their_shares():
    shares = torch.tensor([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0]])
    found = importance_of("cross-entropy on shares", shares, is_balanced=True)
    assert found.tolist() == pytest.approx([3 / (4 * 2.5), 3 / (4 * 0.5)])  # four outputs


def test_targets_are_encoded_in_the_order_of_the_classes():
    table = pd.DataFrame({"b": [0.2, 1.0], "a": [0.8, 0.0]})
    assert LOSSES["cross-entropy on shares"].encode(table, ("a", "b"), None).tolist() == [
        [pytest.approx(0.8), pytest.approx(0.2)],
        [0, 1],
    ]
    assert LOSSES["binary cross-entropy"].encode(table, ("a", "b"), None).tolist() == [
        [1, 1],
        [0, 1],
    ]
    numbers = LOSSES["concordance"].encode(pd.Series([1.0, 3.0]), (), TargetScale(2.0, 0.5))
    assert numbers.tolist() == [-2, 2]
