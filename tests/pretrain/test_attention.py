import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.pretrain.attention import (
    ALIGNERS,
    ReportAligner,
    frame_mask,
    plain_attention,
    reassociated_attention,
)


def case(seed: int, lengths: list[int], tokens: int, text_dim: int, speech_dim: int, dtype):
    g = torch.Generator().manual_seed(seed)
    shapes = [
        (len(lengths), tokens, text_dim),
        (len(lengths), max(lengths), speech_dim),
        (text_dim, text_dim),
        (speech_dim, text_dim),
        (speech_dim, text_dim),
    ]
    scale = [1.0, 1.0, text_dim**-0.5, speech_dim**-0.5, speech_dim**-0.5]
    tensors = [
        (torch.randn(*shape, generator=g) * s).to(dtype).requires_grad_()
        for shape, s in zip(shapes, scale, strict=True)
    ]
    return tensors, frame_mask(torch.tensor(lengths), max(lengths))


def outputs_and_gradients(form, tensors, mask):
    queries, speech, *weights = tensors
    output = form(queries, speech, mask, *weights)
    output = output[0] if isinstance(output, tuple) else output
    probe = torch.linspace(-1, 1, output.numel()).reshape(output.shape).to(output.dtype)
    return [output.detach(), *torch.autograd.grad((output * probe).sum(), tensors)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-5)])
@given(
    seed=st.integers(0, 2**16),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    tokens=st.integers(1, 5),
    text_dim=st.integers(1, 8),
    speech_dim=st.integers(1, 8),
)
@settings(max_examples=25, deadline=None)
def test_the_fast_form_has_the_outputs_and_every_gradient_of_the_plain_one(
    dtype, tolerance, seed, lengths, tokens, text_dim, speech_dim
):
    tensors, mask = case(seed, lengths, tokens, text_dim, speech_dim, dtype)
    plain = outputs_and_gradients(plain_attention, tensors, mask)
    fast = outputs_and_gradients(reassociated_attention, tensors, mask)
    for a, b in zip(plain, fast, strict=True):
        scale = max(1.0, float(a.abs().max()))
        assert float((a.float() - b.float()).abs().max()) <= tolerance * scale


def test_the_plain_form_is_the_equation_written_out_for_one_token():
    (queries, speech, w_q, w_k, w_v), mask = case(0, [4], 1, 3, 5, torch.float32)
    q = queries[0, 0] @ w_q
    weights = torch.stack([torch.exp(q @ (frame @ w_k)) for frame in speech[0]])
    expected = sum(
        w / weights.sum() * (frame @ w_v) for w, frame in zip(weights, speech[0], strict=True)
    )
    output, attention = plain_attention(queries, speech, mask, w_q, w_k, w_v)
    torch.testing.assert_close(output[0, 0], expected)
    torch.testing.assert_close(attention[0, 0], weights / weights.sum())


@pytest.mark.parametrize("seed", range(5))
def test_in_bfloat16_the_fast_form_is_as_near_the_truth_as_the_plain_one(seed):
    exact, mask = case(seed, [40, 25, 7], 12, 32, 24, torch.float64)
    truth = outputs_and_gradients(reassociated_attention, exact, mask)
    coarse = [tensor.detach().bfloat16().requires_grad_() for tensor in exact]
    for form in (plain_attention, reassociated_attention):
        for found, expected in zip(outputs_and_gradients(form, coarse, mask), truth, strict=True):
            assert float((found.double() - expected).norm() / expected.norm()) < 0.05


@given(
    seed=st.integers(0, 2**16),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    tokens=st.integers(1, 4),
)
@settings(max_examples=25, deadline=None)
def test_both_forms_are_the_equations_of_each_utterance_alone_without_padding(
    seed, lengths, tokens
):
    tensors, mask = case(seed, lengths, tokens, 3, 5, torch.float64)
    T, S, w_q, w_k, w_v = (tensor.detach().numpy() for tensor in tensors)
    plain, attention = plain_attention(*tensors[:2], mask, *tensors[2:])
    fast = reassociated_attention(*tensors[:2], mask, *tensors[2:])
    for i, length in enumerate(lengths):
        keys, values = S[i, :length] @ w_k, S[i, :length] @ w_v
        for m in range(tokens):
            weights = np.exp([(T[i, m] @ w_q) @ key for key in keys])
            weights /= weights.sum()
            expected = sum(w * value for w, value in zip(weights, values, strict=True))
            np.testing.assert_allclose(plain[i, m].detach(), expected, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(fast[i, m].detach(), expected, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(attention[i, m, :length].detach(), weights, rtol=1e-10)


@pytest.mark.parametrize("form", [plain_attention, reassociated_attention])
def test_padding_gets_no_gradient_either(form):
    tensors, mask = case(0, [7, 2], 3, 4, 6, torch.float64)
    _, _, grad_speech, *_ = outputs_and_gradients(form, tensors, mask)
    assert not grad_speech[1, 2:].any()
    assert grad_speech[1, :2].any()


def test_what_stands_in_the_padding_changes_nothing():
    aligner = ReportAligner(4, 6)
    queries, speech, num_frames = torch.randn(2, 3, 4), torch.randn(2, 7, 6), torch.tensor([7, 2])
    noisy = speech.clone()
    noisy[1, 2:] = 1e4
    torch.testing.assert_close(
        aligner(queries, speech, num_frames), aligner(queries, noisy, num_frames), rtol=0, atol=0
    )


def test_the_attention_map_sums_to_one_over_frames_and_is_zero_on_padding():
    aligner = ReportAligner(4, 6)
    maps = aligner.attention_map(
        torch.randn(2, 3, 4), torch.randn(2, 7, 6), torch.tensor([7, 2])
    ).detach()
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 3))
    assert not maps[1, :, 2:].any()


def test_attention_starts_nearly_flat_on_activations_as_large_as_those_of_whisper():
    torch.manual_seed(0)
    aligner = ReportAligner(768, 512)
    queries = torch.nn.functional.normalize(torch.randn(1, 20, 768), dim=-1) * 1.4
    speech = torch.nn.functional.normalize(torch.randn(1, 300, 512), dim=-1) * 32
    maps = aligner.attention_map(queries, speech, torch.tensor([300]))
    assert float(maps.detach().max(-1).values.mean()) < 0.05


@pytest.mark.parametrize("variant", ALIGNERS)
def test_every_variant_maps_tokens_and_frames_to_tokens(variant):
    aligner = ALIGNERS[variant](4, 6)
    arguments = torch.randn(2, 3, 4), torch.randn(2, 7, 6), torch.tensor([7, 5])
    assert aligner(*arguments).shape == (2, 3, 4)
    assert aligner.attention_map(*arguments).shape == (2, 3, 7)


def test_the_report_aligner_has_three_matrices_and_no_biases():
    shapes = {name: tuple(p.shape) for name, p in ReportAligner(4, 6).named_parameters()}
    assert shapes == {"w_q": (4, 4), "w_k": (6, 4), "w_v": (6, 4)}
