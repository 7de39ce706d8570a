"""What every variant must do, and what each of them is."""

import pytest
import torch
from torch import nn

from tokser.errors import SettingsError
from tokser.pretrain.variants import ALIGNERS, build_aligner

SMALL = {
    "sunder": {"heads": 2, "ffn": 8},
    "listener": {"heads": 2, "rank": 2, "global_queries": 3, "dropout": 0},
}
TOKENS, FRAMES = [3, 1, 2], [7, 30, 15]


@pytest.fixture(params=ALIGNERS)
def variant(request) -> str:
    return request.param


def build(variant: str, layers: int = 1, seed: int = 0):
    torch.manual_seed(seed)
    aligner = build_aligner(variant, 4, 6, layers, SMALL.get(variant, {}))
    if aligner.mix is not None:
        nn.init.normal_(aligner.mix.weights)
    return aligner.double()


def doubled(inputs):
    return inputs._replace(queries=inputs.queries.double(), speech=inputs.speech.double())


@pytest.mark.parametrize("layers", [1, 3])
def test_the_fast_form_equals_the_plain_form(variant, inputs, layers):
    aligner = build(variant, layers)
    given = doubled(inputs(TOKENS, FRAMES, layers=layers))
    found = {}
    for form in (aligner.forward, aligner.forward_plainly):
        student = form(given)
        assert student.shape == given.queries.shape
        probe = torch.linspace(-1, 1, student.numel()).reshape(student.shape)
        gradients = torch.autograd.grad((student * probe).sum(), list(aligner.parameters()))
        names = [name for name, _ in aligner.named_parameters()]
        found[form.__name__] = student, dict(zip(names, gradients, strict=True))
    (fast, fast_gradients), (plain, plain_gradients) = found.values()
    torch.testing.assert_close(fast, plain)
    for name, expected in plain_gradients.items():
        torch.testing.assert_close(fast_gradients[name], expected, rtol=1e-6, atol=1e-8)


def test_other_utterances_of_the_batch_do_not_matter(variant, inputs):
    aligner = build(variant).eval()
    given = doubled(inputs(TOKENS, FRAMES))
    alone = given._replace(
        queries=given.queries[:3],
        num_tokens=given.num_tokens[:1],
        speech=given.speech[:, :7],
        num_frames=given.num_frames[:1],
    )
    torch.testing.assert_close(aligner(alone), aligner(given)[:3])


def test_the_attention_map_sums_to_one_over_frames(variant, inputs):
    maps = build(variant).attention_map(doubled(inputs([3, 2], [7, 2]))).detach()
    assert maps.shape == (2, 3, 7)
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(maps[1, :2].sum(-1), torch.ones(2, dtype=torch.float64))
    assert not maps[1, :, 2:].any()


def test_under_bfloat16_it_is_near_what_it_is_in_float64(variant, inputs):
    exact = build(variant)
    given = inputs(TOKENS, FRAMES)
    coarse = build(variant).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = coarse(given._replace(speech=given.speech.half()))
    truth = exact(doubled(given)).detach()
    assert float((found.detach().double() - truth).norm() / truth.norm()) < 0.05


def test_several_layers_are_mixed_by_a_softmax_that_learns(variant, inputs):
    aligner = build(variant, layers=3)
    given = doubled(inputs(TOKENS, FRAMES, layers=3))
    shares = aligner.mix.weights.detach().softmax(0)
    mixed = sum(share * layer for share, layer in zip(shares, given.speech, strict=True))
    torch.testing.assert_close(aligner.mixed(given.speech, given.num_frames).detach(), mixed)
    aligner(given).square().sum().backward()
    assert aligner.mix.weights.grad.abs().max() > 0


def test_one_layer_has_no_mix(variant):
    assert build(variant).mix is None


def test_no_variant_of_that_name_lists_those_there_are():
    with pytest.raises(SettingsError, match=r"--variant: expected one of paper, scaled, sunder"):
        build_aligner("other", 4, 6, 1, {})


def test_an_option_that_a_variant_has_not_is_refused(variant):
    with pytest.raises(SettingsError, match=f"--variant {variant}.*'colour'"):
        build_aligner(variant, 4, 6, 1, {"colour": 1})


def test_the_paper_aligner_has_three_matrices_and_no_biases():
    shapes = {name: tuple(p.shape) for name, p in build("paper").named_parameters()}
    assert shapes == {"w_q": (4, 4), "w_k": (6, 4), "w_v": (6, 4)}


def test_the_scaled_aligner_divides_by_the_root_of_the_width(inputs):
    given = doubled(inputs(TOKENS, FRAMES))
    scaled, paper = build("scaled"), build("paper")
    with torch.no_grad():
        paper.w_q.div_(2)  # the root of 4
    torch.testing.assert_close(scaled(given), paper(given))


def test_attention_starts_nearly_flat_on_large_activations(inputs):
    torch.manual_seed(0)
    aligner = build_aligner("paper", 768, 512, 1, {})
    given = inputs([20], [300], 768, 512)
    given = given._replace(
        queries=nn.functional.normalize(given.queries, dim=-1) * 1.4,
        speech=nn.functional.normalize(given.speech, dim=-1) * 32,
    )
    maps = aligner.attention_map(given)
    assert float(maps.detach().max(-1).values.mean()) < 0.05


class Independent(nn.Module):
    """The block of Sunder et al. from torch's own parts."""

    def __init__(self, aligner):
        super().__init__()
        a = aligner
        self.attention = nn.MultiheadAttention(4, 2, kdim=6, vdim=6, batch_first=True).double()
        state = {
            "q_proj_weight": a.query.weight,
            "k_proj_weight": a.key.weight,
            "v_proj_weight": a.value.weight,
            "in_proj_bias": torch.cat([a.query.bias, torch.zeros(4), a.value.bias]),
            "out_proj.weight": a.output.weight,
            "out_proj.bias": a.output.bias,
        }
        self.attention.load_state_dict(state)
        self.aligner = a

    def forward(self, queries, speech):
        a = self.aligner
        x = a.norm(queries + self.attention(queries, speech, speech, need_weights=False)[0])
        return a.norm_out(x + a.feed_forward(x))


def test_the_sunder_aligner_equals_torchs_attention_block(inputs):
    aligner = build("sunder")
    given = doubled(inputs(TOKENS, FRAMES))
    student = aligner(given).split(TOKENS)
    queries, speech = given.queries.split(TOKENS), given.speech[0].split(FRAMES)
    independent = Independent(aligner)
    for own, q, s in zip(student, queries, speech, strict=True):
        torch.testing.assert_close(own, independent(q[None], s[None])[0])


def test_sunder_has_twelve_heads_and_a_feed_forward_of_2048():
    aligner = build_aligner("sunder", 768, 512, 1, {})
    assert (aligner.num_heads, aligner.feed_forward[0].out_features) == (12, 2048)
    assert aligner.scale == pytest.approx(64**-0.5)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(SettingsError, match="a number that divides the text's width 4, got 3"):
        build_aligner("sunder", 4, 6, 1, {"heads": 3})


def test_dropout_is_for_training_only(inputs):
    aligner = build_aligner("sunder", 4, 6, 1, {"heads": 2, "ffn": 8, "dropout": 0.5})
    given = inputs(TOKENS, FRAMES)
    assert not torch.equal(aligner(given), aligner(given))
    aligner.eval()
    assert torch.equal(aligner(given), aligner(given))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_what_the_cpu_gives(variant, inputs):
    aligner = build(variant).eval()
    given = doubled(inputs(TOKENS, FRAMES))
    expected = aligner(given)
    found = aligner.cuda()(given.to(torch.device("cuda")))
    torch.testing.assert_close(found.cpu(), expected)
