import numpy as np
import pytest
import torch

from tokser.experiments.heads.frames.ragged import (
    linear,
    segment_means,
    segment_softmax,
    spans,
    weighted_sums,
)

from .plain import assert_within_bf16

LENGTHS = (3, 1, 4)


def drawn(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_spans_are_where_utterances_begin_and_end():
    assert list(spans(LENGTHS)) == [(0, 3), (3, 4), (4, 8)]


@pytest.mark.parametrize("lengths", [LENGTHS, (4, 4), (1, 1, 1), (8,)])
def test_softmax_is_that_of_each_utterance_alone(lengths):
    scores = drawn(2, 3, sum(lengths))
    expected = torch.cat([scores[..., a:b].softmax(dim=-1) for a, b in spans(lengths)], dim=-1)
    torch.testing.assert_close(segment_softmax(scores, lengths), expected)


@pytest.mark.parametrize("shared", [1, 2], ids=["shared-rows", "rows-of-each"])
def test_weighted_sums_are_those_of_each_utterance_alone(shared):
    weights, rows = drawn(2, 3, 8), drawn(shared, 8, 5, seed=1)
    found = weighted_sums(weights, rows, LENGTHS)
    assert found.shape == (2, 3, 3, 5)
    for place, (first, last) in enumerate(spans(LENGTHS)):
        expected = weights[..., first:last] @ rows[:, first:last]
        torch.testing.assert_close(found[:, place], expected)


@pytest.mark.parametrize("shared", [1, 2], ids=["shared-rows", "rows-of-each"])
def test_gradients_are_those_of_finite_differences(shared):
    weights, rows = drawn(2, 3, 8), drawn(shared, 8, 2, seed=1)
    inputs = (weights.requires_grad_(), rows.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, x: weighted_sums(a, x, LENGTHS), inputs)
    assert torch.autograd.gradcheck(lambda a: segment_softmax(a, LENGTHS), inputs[:1])
    assert torch.autograd.gradcheck(lambda x: segment_means(x, LENGTHS), inputs[1:])


def test_means_of_one_frame_are_that_frame():
    rows = drawn(2, 3, 5)
    assert segment_means(rows, (1, 1, 1)) is rows
    torch.testing.assert_close(segment_means(rows, (1, 2))[:, 0], rows[:, 0])


def test_shared_rows_are_one_product_with_the_same_result():
    weight, bias, rows = drawn(3, 5, 2), drawn(3, 1, 2, seed=1), drawn(1, 8, 5, seed=2)
    expected = rows.expand(3, -1, -1) @ weight + bias
    torch.testing.assert_close(linear(rows, weight, bias), expected)


@pytest.mark.parametrize("narrow", [2, 20])
def test_rows_of_each_model_are_multiplied_with_its_weights(narrow):
    rows, weight, bias = drawn(3, 8, 5), drawn(3, 5, narrow, seed=1), drawn(3, 1, narrow, seed=2)
    torch.testing.assert_close(linear(rows, weight, bias), rows @ weight + bias)
    inputs = [values.requires_grad_() for values in (rows, weight, bias)]
    assert torch.autograd.gradcheck(linear, inputs)


@pytest.mark.parametrize("shared", [1, 3], ids=["shared-rows", "rows-of-each"])
def test_linear_in_bf16_stays_within_its_rounding(shared):
    rows, weight, bias = drawn(shared, 8, 5), drawn(3, 5, 20, seed=1), drawn(3, 1, 20, seed=2)
    inputs = [values.float().requires_grad_() for values in (rows / 3, weight / 3, bias)]
    expected = inputs[0] @ inputs[1] + inputs[2]
    assert_within_bf16(linear(*inputs, torch.bfloat16), expected, inputs)
