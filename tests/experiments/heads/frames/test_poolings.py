"""Each head computes what torch's own modules compute of one utterance, and has their gradient."""

from dataclasses import replace

import pytest
import torch

from tokser.config import FrameHeadSettings
from tokser.errors import SettingsError
from tokser.experiments.frames import FrameBatch
from tokser.experiments.heads.frames.model import FrameModel, PooledScaling, TermShape, no_dropout
from tokser.experiments.heads.registry import HEADS

from .plain import PlainHead, _turned

FRAME_HEADS = ("superb", "emobox", "attentive", "transformer", "cross-attention")
LENGTHS = (3, 1, 4)
TOKENS = (2, 3, 1)
"""Rows of the second term: tokens are other in number than frames."""
TERMS = (TermShape(3, 5), TermShape(1, 4))
SMALL = FrameHeadSettings(attention_heads=2, blocks=2)


def draw(name, terms=TERMS, options=SMALL):
    """A model in float64, no parameter of which is 0, and frames of three utterances."""
    model = FrameModel(HEADS[name].pooling, terms, 3, options)
    torch.manual_seed(0)
    parameters = {k: (v + 0.1 * torch.randn(v.shape)).double() for k, v in model.draw((1,)).items()}
    lengths = (LENGTHS, TOKENS)[: len(terms)]
    pairs = zip(terms, lengths, strict=True)
    batches = [FrameBatch(torch.randn(t.num_layers, sum(n), t.dim).double(), n) for t, n in pairs]
    scaling = None
    if model.pooling.scales_pooled:
        scaling = PooledScaling.of(torch.randn(1, 9, model.width).double())
    return model, parameters, batches, scaling


@pytest.mark.parametrize("name", FRAME_HEADS)
def test_outputs_and_gradients_are_those_of_torch(name):
    model, parameters, batches, scaling = draw(name)
    for values in parameters.values():
        values.requires_grad_()
    outputs = model.forward(parameters, batches, scaling, no_dropout)
    plain = PlainHead(name, model, parameters, scaling).double()
    utterances = list(zip(*(b.rows.split(b.lengths, dim=1) for b in batches), strict=True))
    expected = plain(utterances)
    torch.testing.assert_close(outputs[0], expected, rtol=1e-9, atol=1e-12)
    weights = torch.randn(expected.shape).double()
    (outputs[0] * weights).sum().backward()
    (expected * weights).sum().backward()
    for key, values in parameters.items():
        gradient = _turned(key, values.grad[0])
        torch.testing.assert_close(gradient, plain.places[key].grad, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("layers", [1, 3], ids=["shared-rows", "mixed-rows"])
def test_bf16_of_transformer_stays_within_its_rounding(layers):
    model, one, batches, _ = draw("transformer", terms=(TermShape(layers, 5),))
    parameters = {name: values.float().requires_grad_() for name, values in one.items()}
    few = SMALL.model_copy(update={"training_precision": "bf16"})
    rows = [FrameBatch(batch.rows.float(), batch.lengths) for batch in batches]
    found = replace(model, options=few).forward(parameters, rows, None, no_dropout)
    expected = model.forward(parameters, rows, None, no_dropout)
    assert 0 < (found - expected).abs().max() < 0.05
    towards, values = torch.randn(expected.shape), list(parameters.values())
    own, right = (
        torch.cat([g.flatten() for g in torch.autograd.grad((out * towards).sum(), values)])
        for out in (found, expected)
    )
    assert own.dtype == torch.float32
    assert 0 < (own - right).norm() < 0.05 * right.norm()


@pytest.mark.parametrize("name", FRAME_HEADS)
def test_utterances_do_not_change_each_other(name):
    model, parameters, batches, scaling = draw(name)
    together = model.forward(parameters, batches, scaling, no_dropout)[0]
    parts = zip(*(b.rows.split(b.lengths, dim=1) for b in batches), strict=True)
    for place, own in enumerate(parts):
        alone = [FrameBatch(rows, (rows.shape[1],)) for rows in own]
        found = model.forward(parameters, alone, scaling, no_dropout)[0, 0]
        torch.testing.assert_close(found, together[place], rtol=1e-9, atol=1e-12)


def test_one_frame_has_no_deviation_and_a_safe_gradient():
    model, parameters, _, scaling = draw("attentive", terms=(TermShape(1, 5),))
    for values in parameters.values():
        values.requires_grad_()
    rows = torch.randn(1, 2, 5).double()
    outputs = model.forward(parameters, [FrameBatch(rows, (1, 1))], scaling, no_dropout)
    outputs.sum().backward()
    assert all(values.grad.isfinite().all() for values in parameters.values())
    pooled = model.pool(parameters, [FrameBatch(rows, (1, 1))], no_dropout)
    torch.testing.assert_close(pooled[0, :, 10:], torch.full((2, 10), 1e-5**0.5).double())


def test_attentive_begins_with_mean_and_standard_deviation():
    model = FrameModel(HEADS["attentive"].pooling, (TermShape(1, 5),), 3, FrameHeadSettings())
    rows = torch.randn(1, 8, 5)
    pooled = model.pool(model.draw((0,)), [FrameBatch(rows, LENGTHS)], no_dropout)[0]
    for own, found in zip(rows[0].split(LENGTHS), pooled, strict=True):
        expected = torch.cat([own.mean(0), own.std(0, correction=0).clamp(min=1e-5**0.5)])
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_attention_heads_must_divide_the_width_of_transformer():
    with pytest.raises(SettingsError, match=r"expected a divisor of 128 .* got 3"):
        HEADS["transformer"].pooling.check(FrameHeadSettings(attention_heads=3))


def test_cross_attention_begins_with_both_functionals():
    terms = (TermShape(1, 5), TermShape(1, 4))
    model = FrameModel(HEADS["cross-attention"].pooling, terms, 3, FrameHeadSettings())
    frames, tokens = torch.randn(1, 8, 5), torch.randn(1, 6, 4)
    batches = [FrameBatch(frames, LENGTHS), FrameBatch(tokens, TOKENS)]
    pooled = model.pool(model.draw((0,)), batches, no_dropout)[0]
    for place, found in enumerate(pooled):
        parts = frames[0].split(LENGTHS)[place], tokens[0].split(TOKENS)[place]
        both = [(p.mean(0), p.std(0, correction=0).clamp(min=1e-5**0.5)) for p in parts]
        torch.testing.assert_close(found, torch.cat(sum(both, ())), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("num_models", [1, 3])
def test_cross_attention_of_many_models_is_that_of_each(num_models):
    """Frames are shared by all models, or mixed by each in its own way."""
    for terms in (TERMS, (TermShape(1, 5), TermShape(1, 4))):
        model, one, batches, _ = draw("cross-attention", terms)
        many = {n: torch.cat([v * (i + 1) for i in range(num_models)]) for n, v in one.items()}
        together = model.pool(many, batches, no_dropout)
        for place in range(num_models):
            own = {name: values[place : place + 1] for name, values in many.items()}
            torch.testing.assert_close(
                together[place : place + 1], model.pool(own, batches, no_dropout)
            )
