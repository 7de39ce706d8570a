"""Each head computes what torch's own modules compute of one utterance, and has their gradient."""

import pytest
import torch

from tokser.config import FrameHeadSettings
from tokser.errors import SettingsError
from tokser.experiments.frames import FrameBatch
from tokser.experiments.heads.frames.model import FrameModel, PooledScaling, TermShape, no_dropout
from tokser.experiments.heads.registry import HEADS

from .plain import PlainHead, _turned

LENGTHS = (3, 1, 4)
TERMS = (TermShape(3, 5), TermShape(1, 4))
SMALL = FrameHeadSettings(attention_heads=2, blocks=2)


def draw(name, terms=TERMS, options=SMALL):
    """A model in float64, no parameter of which is 0, and frames of three utterances."""
    model = FrameModel(HEADS[name].pooling, terms, 3, options)
    torch.manual_seed(0)
    parameters = {k: (v + 0.1 * torch.randn(v.shape)).double() for k, v in model.draw((1,)).items()}
    rows = [torch.randn(t.num_layers, sum(LENGTHS), t.dim).double() for t in terms]
    scaling = None
    if model.pooling.scales_pooled:
        scaling = PooledScaling.of(torch.randn(1, 9, model.width).double())
    return model, parameters, [FrameBatch(own, LENGTHS) for own in rows], scaling


@pytest.mark.parametrize("name", ["superb", "emobox", "attentive", "transformer"])
def test_outputs_and_gradients_are_those_of_torch(name):
    model, parameters, batches, scaling = draw(name)
    for values in parameters.values():
        values.requires_grad_()
    outputs = model.forward(parameters, batches, scaling, no_dropout)
    plain = PlainHead(name, model, parameters, scaling).double()
    utterances = list(zip(*(b.rows.split(LENGTHS, dim=1) for b in batches), strict=True))
    expected = plain(utterances)
    torch.testing.assert_close(outputs[0], expected, rtol=1e-9, atol=1e-12)
    weights = torch.randn(expected.shape).double()
    (outputs[0] * weights).sum().backward()
    (expected * weights).sum().backward()
    for key, values in parameters.items():
        gradient = _turned(key, values.grad[0])
        torch.testing.assert_close(gradient, plain.places[key].grad, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", ["superb", "emobox", "attentive", "transformer"])
def test_utterances_do_not_change_each_other(name):
    model, parameters, batches, scaling = draw(name)
    together = model.forward(parameters, batches, scaling, no_dropout)[0]
    parts = zip(*(b.rows.split(LENGTHS, dim=1) for b in batches), strict=True)
    for place, own in enumerate(parts):
        alone = [FrameBatch(rows, (LENGTHS[place],)) for rows in own]
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
