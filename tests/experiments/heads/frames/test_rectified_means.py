import pytest
import torch

from tokser.experiments.heads.frames.ragged import spans
from tokser.experiments.heads.frames.rectified_means import rectified_means

from .plain import assert_within_bf16

LENGTHS = (3, 1, 4)


def drawn(models, rows):
    torch.manual_seed(0)
    shapes = ((rows, sum(LENGTHS), 5), (models, 5, 4), (models, 1, 4))
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def plain(rows, weight, bias):
    hidden = (rows @ weight + bias).relu()
    return torch.stack([hidden[:, a:b].mean(dim=1) for a, b in spans(LENGTHS)], dim=1)


@pytest.mark.parametrize(("models", "rows"), [(1, 1), (3, 1), (3, 3)])
def test_means_are_those_of_the_plain_form(models, rows):
    inputs = drawn(models, rows)
    torch.testing.assert_close(rectified_means(*inputs, LENGTHS), plain(*inputs))


@pytest.mark.parametrize(("models", "rows"), [(1, 1), (3, 1), (3, 3)])
def test_gradients_are_those_of_the_plain_form(models, rows):
    shown, *parameters = drawn(models, rows)
    parameters = [values.requires_grad_() for values in parameters]
    found, expected = rectified_means(shown, *parameters, LENGTHS), plain(shown, *parameters)
    towards = torch.randn(expected.shape, dtype=torch.float64)
    own, right = (
        torch.autograd.grad(values, parameters, towards, retain_graph=True)
        for values in (found, expected)
    )
    torch.testing.assert_close(own, right)
    if rows < models or models == 1:  # the gradient is computed in the memory of hidden units
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            torch.autograd.grad(found, parameters, towards)


def test_frames_get_their_gradient_where_they_want_one():
    inputs = [values.requires_grad_() for values in drawn(1, 1)]
    assert torch.autograd.gradcheck(lambda *own: rectified_means(*own, LENGTHS), inputs)


def test_bf16_stays_within_its_rounding():
    inputs = [values.float().requires_grad_() for values in drawn(3, 1)]
    inputs[0].requires_grad_(False)
    found, expected = rectified_means(*inputs, LENGTHS, torch.bfloat16), plain(*inputs)
    assert_within_bf16(found, expected, inputs[1:])
