"""The listener: the word is a query only; all output comes from speech."""

import pytest
import torch

from tokser.pretrain.variants import build_aligner

TOKENS, FRAMES = [4, 3], [40, 25]


def build(**options):
    torch.manual_seed(0)
    return build_aligner(
        "listener", 4, 6, 1, {"rank": 3, "global_queries": 2, "dropout": 0, **options}
    )


def test_without_speech_all_words_have_one_student(inputs):
    aligner = build()
    given = inputs(TOKENS, FRAMES)
    constant = torch.linspace(-1, 1, 6).expand_as(given.speech)
    student = aligner(given._replace(speech=constant))
    torch.testing.assert_close(student, student[:1].expand_as(student))


def test_without_content_a_token_attends_around_its_position(inputs):
    aligner = build()
    torch.nn.init.zeros_(aligner.query.weight)
    torch.nn.init.zeros_(aligner.query.bias)
    (weights, _) = aligner.attention_map(inputs(TOKENS, FRAMES)).detach()
    times = (torch.arange(40) + 0.5) / 40
    places = torch.tensor([0.125, 0.375, 0.625, 0.875])
    expected = torch.exp(-((times - places[:, None]) ** 2) / (2 * 0.08**2))
    torch.testing.assert_close(weights, expected / expected.sum(1, keepdim=True))


def test_the_context_depends_on_the_speech_alone(inputs):
    aligner = build()
    torch.nn.init.zeros_(aligner.value.weight)
    given = inputs(TOKENS, FRAMES)
    one, two = aligner(given).split(TOKENS)
    torch.testing.assert_close(one, one[:1].expand_as(one))
    assert not torch.allclose(one[0], two[0])
    other_words = given._replace(queries=given.queries.flip(0))
    torch.testing.assert_close(aligner(other_words), torch.cat([one, two]))


def test_the_window_learns_its_width(inputs):
    aligner = build(heads=2)
    aligner(inputs(TOKENS, FRAMES)).square().sum().backward()
    assert aligner.log_width.grad.abs().min() > 0


@pytest.mark.parametrize("large", [1.0, 1e3])
def test_the_scale_of_frames_does_not_matter(inputs, large):
    aligner, given = build(), inputs(TOKENS, FRAMES)
    louder = aligner(given._replace(speech=given.speech * large))
    torch.testing.assert_close(louder, aligner(given), rtol=1e-3, atol=1e-4)


def test_dropout_is_for_training_only(inputs):
    aligner, given = build(dropout=0.5), inputs(TOKENS, FRAMES)
    assert not torch.equal(aligner(given), aligner(given))
    aligner.eval()
    assert torch.equal(aligner(given), aligner(given))
