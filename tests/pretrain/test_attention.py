import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.pretrain.attention import (
    attend,
    attention_weights,
    plain_attention,
    reassociated_attention,
)

LENGTHS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1, max_size=4)


def case(seed, lengths, text_dim, speech_dim, dtype):
    """Q, S, W_k, W_v, and the lengths of utterances given as (tokens, frames)."""
    g = torch.Generator().manual_seed(seed)
    tokens, frames = (sum(part) for part in zip(*lengths, strict=True))
    shapes = [(tokens, text_dim), (frames, speech_dim), *[(speech_dim, text_dim)] * 2]
    scales = [1.0, 1.0, speech_dim**-0.5, speech_dim**-0.5]
    tensors = [
        (torch.randn(*shape, generator=g) * s).to(dtype).requires_grad_()
        for shape, s in zip(shapes, scales, strict=True)
    ]
    return tensors, [torch.tensor(part) for part in zip(*lengths, strict=True)]


def plain(q, speech, w_k, w_v, num_tokens, num_frames, **kwargs):
    return plain_attention(q, speech @ w_k, speech @ w_v, num_tokens, num_frames, **kwargs)


def outputs_and_gradients(form, tensors, lengths, **kwargs):
    output = form(*tensors, *lengths, **kwargs)
    probe = torch.linspace(-1, 1, output.numel()).reshape(output.shape).to(output.dtype)
    return [output.detach(), *torch.autograd.grad((output * probe).sum(), tensors)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-5)])
@given(
    seed=st.integers(0, 2**16),
    lengths=LENGTHS,
    num_heads=st.sampled_from([1, 1, 2, 3]),
    head_dim=st.integers(1, 4),
    speech_dim=st.integers(1, 8),
    scale=st.sampled_from([1.0, 0.25]),
)
@settings(max_examples=25, deadline=None)
def test_reassociated_attention_equals_plain_attention(
    dtype, tolerance, seed, lengths, num_heads, head_dim, speech_dim, scale
):
    tensors, lengths = case(seed, lengths, num_heads * head_dim, speech_dim, dtype)
    options = {"scale": scale, "num_heads": num_heads}
    reference = outputs_and_gradients(plain, tensors, lengths, **options)
    fast = outputs_and_gradients(reassociated_attention, tensors, lengths, **options)
    for a, b in zip(reference, fast, strict=True):
        magnitude = max(1.0, float(a.abs().max()))
        assert float((a - b).abs().max()) <= tolerance * magnitude


@given(seed=st.integers(0, 2**16), lengths=LENGTHS, num_heads=st.sampled_from([1, 2]))
@settings(max_examples=25, deadline=None)
def test_both_forms_are_the_equations_of_each_utterance_alone(seed, lengths, num_heads):
    tensors, counts = case(seed, lengths, 4, 5, torch.float64)
    Q, S, w_k, w_v = (tensor.detach().numpy() for tensor in tensors)
    options = {"scale": 0.5, "num_heads": num_heads}
    forms = [f(*tensors, *counts, **options).detach() for f in (plain, reassociated_attention)]
    maps = attention_weights(tensors[0], tensors[1] @ tensors[2], *counts, **options).detach()
    first_token = first_frame = 0
    for i, (tokens, frames) in enumerate(lengths):
        own = S[first_frame : first_frame + frames]
        for m in range(tokens):
            row = first_token + m
            for head, part in enumerate(np.split(np.arange(4), num_heads)):
                scores = [0.5 * (Q[row, part] @ (frame @ w_k[:, part])) for frame in own]
                weights = np.exp(scores) / np.exp(scores).sum()
                expected = sum(
                    w * (frame @ w_v[:, part]) for w, frame in zip(weights, own, strict=True)
                )
                for found in forms:
                    np.testing.assert_allclose(found[row, part], expected, rtol=1e-9, atol=1e-11)
                np.testing.assert_allclose(maps[i, head, m, :frames], weights, rtol=1e-9)
                assert not maps[i, head, m, frames:].any()
        first_token, first_frame = first_token + tokens, first_frame + frames


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_heads", [1, 4])
def test_bfloat16_errors_are_those_of_the_plain_form(seed, num_heads):
    exact, lengths = case(seed, [(12, 40), (9, 25), (1, 7)], 32, 24, torch.float64)
    options = {"num_heads": num_heads, "scale": num_heads**0.5 / 32**0.5}
    truth = outputs_and_gradients(plain, exact, lengths, **options)
    coarse = [tensor.detach().bfloat16().requires_grad_() for tensor in exact]
    for form in (plain, reassociated_attention):
        found = outputs_and_gradients(form, coarse, lengths, **options)
        for a, b in zip(found, truth, strict=True):
            assert float((a.double() - b).norm() / b.norm()) < 0.05


def test_stored_speech_is_cast_to_the_type_of_the_queries():
    (queries, speech, *_), lengths = case(0, [(3, 7), (2, 4)], 5, 5, torch.float32)
    stored = speech.detach().half()
    found = attend(queries, stored, *lengths)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, attend(queries, stored.float(), *lengths), rtol=0, atol=0)


def test_autocast_products_bfloat16_gradients_float32():
    (queries, speech, *_), lengths = case(0, [(30, 70), (20, 41)], 5, 5, torch.float32)
    stored = speech.detach().half()
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(queries, stored, *lengths)
    assert found.dtype == torch.bfloat16
    expected = attend(queries.bfloat16(), stored.bfloat16(), *lengths)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(found.float().sum(), queries)
    assert gradient.dtype == torch.float32
    (truth,) = torch.autograd.grad(attend(queries, stored.float(), *lengths).sum(), queries)
    assert float((gradient - truth).norm() / truth.norm()) < 0.05
