import pytest
import torch

from tokser.experiments.heads.frames.attention_scores import attention_scores

from .plain import assert_within_bf16

WIDE, NARROW, HEADS, ROWS = 5, 4, 2, 7


def drawn(models, rows):
    torch.manual_seed(0)
    shapes = (
        (rows, ROWS, WIDE),
        (models, WIDE, NARROW),
        (models, 1, NARROW),
        (models, NARROW, HEADS),
    )
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def plain(rows, weight, bias, score):
    return ((rows @ weight + bias).tanh() @ score).transpose(1, 2)


@pytest.mark.parametrize(("models", "rows"), [(1, 1), (3, 1), (3, 3)])
def test_scores_are_those_of_the_plain_form(models, rows):
    inputs = drawn(models, rows)
    torch.testing.assert_close(attention_scores(*inputs), plain(*inputs))


@pytest.mark.parametrize(("models", "rows"), [(1, 1), (3, 1), (3, 3)])
def test_gradients_are_those_of_finite_differences(models, rows):
    shown, *parameters = drawn(models, rows)
    parameters = [values.requires_grad_() for values in parameters]
    assert torch.autograd.gradcheck(lambda *own: attention_scores(shown, *own), parameters)


def test_frames_get_their_gradient_where_they_want_one():
    inputs = [values.requires_grad_() for values in drawn(1, 1)]
    assert torch.autograd.gradcheck(attention_scores, inputs)


def test_bf16_stays_within_its_rounding():
    inputs = [values.float().requires_grad_() for values in drawn(3, 1)]
    inputs[0].requires_grad_(False)
    found, expected = attention_scores(*inputs, torch.bfloat16), plain(*inputs)
    assert_within_bf16(found, expected, inputs[1:])
