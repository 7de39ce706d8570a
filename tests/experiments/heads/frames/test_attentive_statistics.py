import pytest
import torch

from tokser.experiments.heads.frames.attentive_statistics import attentive_statistics
from tokser.experiments.heads.frames.ragged import spans

MODELS, HEADS, DIM = 2, 3, 4


def drawn(lengths, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(MODELS, HEADS, sum(lengths), generator=generator, dtype=dtype)
    rows = torch.randn(1, sum(lengths), DIM, generator=generator, dtype=dtype)
    return scores, rows


@pytest.mark.parametrize("lengths", [(3, 1, 4), (5, 5), (7,)])
def test_statistics_are_those_of_the_equations(lengths):
    scores, rows = drawn(lengths)
    found = attentive_statistics(scores, rows, lengths).view(MODELS, len(lengths), 2, HEADS, DIM)
    for place, (first, last) in enumerate(spans(lengths)):
        weights = scores[..., first:last].softmax(dim=-1)
        for model in range(MODELS):
            mean = weights[model] @ rows[0, first:last]
            around = (rows[0, first:last] - mean[:, None]) ** 2
            variance = (weights[model][..., None] * around).sum(dim=1)
            expected = torch.stack([mean, variance.clamp(min=1e-5).sqrt()])
            torch.testing.assert_close(found[model, place], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lengths", [(3, 1, 4), (5, 5), (1, 1)])
def test_shared_frames_are_as_those_of_each_model(lengths, dtype):
    scores, rows = drawn(lengths, dtype)
    weighting = drawn(lengths, dtype)[0].new_tensor(range(2 * HEADS * DIM)).cos()
    values, gradients = [], []
    for own in (rows, rows.expand(MODELS, -1, -1)):
        leaf = scores.clone().requires_grad_()
        found = attentive_statistics(leaf, own, lengths)
        (found * weighting).sum().backward()
        values.append(found.detach())
        gradients.append(leaf.grad)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*gradients)


def test_gradients_are_those_of_finite_differences():
    lengths = (3, 1, 4)
    scores, rows = drawn(lengths)
    leaf = scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda e: attentive_statistics(e, rows, lengths), (leaf,))


def test_frames_that_learn_get_a_gradient():
    lengths = (3, 2)
    scores, rows = drawn(lengths)
    inputs = (scores.requires_grad_(), rows.requires_grad_())
    assert torch.autograd.gradcheck(lambda e, x: attentive_statistics(e, x, lengths), inputs)
