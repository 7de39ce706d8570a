from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tokser.experiments.heads.losses import LOSSES
from tokser.experiments.heads.mlp.gradients import write_gradients
from tokser.experiments.heads.mlp.model import flatten, initialise, unflatten


def problem(widths, num_models, batch, seed=0):
    """Parameters away from where they start, and weights with padding, in float64."""
    generator = torch.Generator().manual_seed(seed)
    stack = initialise(widths, [(seed, model) for model in range(num_models)])
    rows = flatten(stack).double()
    rows += 0.3 * torch.randn(rows.shape, generator=generator, dtype=torch.float64)
    inputs = torch.randn(num_models, batch, widths[0], generator=generator, dtype=torch.float64)
    labels = torch.randint(widths[-1], (num_models, batch), generator=generator)
    weights = torch.rand(num_models, batch, generator=generator, dtype=torch.float64)
    weights[:, batch // 2 + 1 :] = 0
    return unflatten(rows, stack), inputs, labels, weights


def torch_logits(parameters, inputs):
    """One model as torch's own functions; weights are [in, out]."""
    *blocks, weight, bias = parameters
    hidden = inputs
    for number in range(0, len(blocks), 4):
        block_weight, block_bias, gain, shift = blocks[number : number + 4]
        hidden = functional.linear(hidden, block_weight.T, block_bias[0])
        hidden = functional.layer_norm(hidden, hidden.shape[-1:], gain[0], shift[0]).relu()
    return functional.linear(hidden, weight.T, bias[0])


def autograd(stack, inputs, labels, weights, model):
    own = [parameter[model].clone().requires_grad_() for parameter in stack]
    losses = functional.cross_entropy(
        torch_logits(own, inputs[model]), labels[model], reduction="none"
    )
    return torch.autograd.grad((losses * weights[model]).sum(), own)


def written(stack, inputs, labels, weights):
    gradients = [torch.full_like(parameter, float("nan")) for parameter in stack]
    write_gradients(gradients, stack, inputs, error_of(labels, weights))
    return gradients


def error_of(labels, weights):
    loss, nothing = LOSSES["cross-entropy"], torch.ones(1)
    return partial(loss.error, target=labels, weights=weights, importance=nothing)


@settings(deadline=None, max_examples=30)
@given(
    widths=st.lists(st.integers(2, 9), min_size=2, max_size=5),
    num_models=st.integers(1, 4),
    batch=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_they_are_autograds_for_each_model(widths, num_models, batch, seed):
    given_problem = problem(widths, num_models, batch, seed)
    found = written(*given_problem)
    for model in range(num_models):
        for mine, peer in zip(found, autograd(*given_problem, model), strict=True):
            torch.testing.assert_close(mine[model], peer, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_in_either_precision_at_the_reports_widths(dtype):
    stack, inputs, labels, weights = problem((50, 128, 64, 32, 7), 3, 16)
    single = [parameter.to(dtype) for parameter in stack]
    found = written(single, inputs.to(dtype), labels, weights.to(dtype))
    for model in range(3):
        exact = autograd(stack, inputs, labels, weights, model)
        for mine, peer in zip(found, exact, strict=True):
            difference = (mine[model] - peer).norm() / peer.norm()
            assert difference < (1e-5 if dtype == torch.float32 else 1e-12)


def test_padding_does_not_count():
    stack, inputs, labels, weights = problem((6, 5, 4, 3), 2, 6)
    expected = written(stack, inputs, labels, weights)
    inputs[weights == 0] = 1e3
    for mine, peer in zip(written(stack, inputs, labels, weights), expected, strict=True):
        torch.testing.assert_close(mine, peer)


def test_without_weights_they_are_0():
    stack, inputs, labels, weights = problem((6, 5, 4, 3), 2, 6)
    assert all(not g.any() for g in written(stack, inputs, labels, 0 * weights))


def test_they_land_where_they_were_asked_for():
    stack, inputs, labels, weights = problem((6, 5, 4, 3), 2, 6)
    rows = torch.full_like(flatten(stack), float("nan"))
    write_gradients(unflatten(rows, stack), stack, inputs, error_of(labels, weights))
    torch.testing.assert_close(rows, flatten(written(stack, inputs, labels, weights)))
