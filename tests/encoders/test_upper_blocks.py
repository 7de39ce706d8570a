"""Upper blocks from a stored layer equal the layers that the encoder itself computes."""

import numpy as np
import pytest
import torch

from tokser.encoders import load_encoder
from tokser.encoders.layers import parse_layers
from tokser.errors import SettingsError

CPU = torch.device("cpu")
SPEECH = (
    "tiny-whisper",
    "tiny-wavlm",
    "tiny-wavlm-large",
    "tiny-hubert",
    "tiny-hubert-large",
    "tiny-wav2vec2",
    "tiny-wav2vec2-large",
    "tiny-data2vec",
)
TEXT = ("tiny-bert", "tiny-roberta", "tiny-xlm-roberta", "tiny-distilbert")
TEXTS = ["Das will sie am Mittwoch abgeben.", "a man", "Tüten"]


def load(tiny, name, context="fit"):
    return load_encoder(str(tiny / name), revision=None, device=CPU, context=context)


def activations(encoder):
    layers = parse_layers(encoder, "all")
    if encoder.kind == "text":
        return encoder.encode(encoder.tokenize(TEXTS), layers)
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(0, 0.1, n).astype(np.float32) for n in (8_000, 20_803, 4_400)]
    return encoder.encode(waveforms, layers)


def trained(blocks):
    return [(k, p) for k, p in blocks.named_parameters() if p.requires_grad]


def padded(rows, dtype):
    lengths = torch.tensor([len(one) for one in rows])
    states = [torch.from_numpy(one.astype(dtype).astype(np.float32)) for one in rows]
    return torch.nn.utils.rnn.pad_sequence(states, batch_first=True), lengths


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_untouched_blocks_equal_the_stored_layers(tiny, name, first):
    encoder = load(tiny, name)
    stored = activations(encoder)
    blocks = encoder.upper_blocks(first).eval()
    assert blocks.layers == [layer for layer in stored[0] if layer > first]
    for dtype, tolerance in (("float32", 1e-5), ("float16", 2e-3)):
        states, lengths = padded([one[first] for one in stored], dtype)
        with torch.no_grad():
            found = blocks(states, lengths)
        for place, one in enumerate(stored):
            for layer in blocks.layers:
                rows = found[layer][place, : lengths[place]].numpy()
                size = np.linalg.norm(one[layer])
                assert np.linalg.norm(rows - one[layer]) < tolerance * size, (layer, dtype)


@pytest.mark.parametrize("name", ["tiny-whisper", "tiny-wavlm", "tiny-hubert-large", "tiny-bert"])
def test_recomputed_blocks_have_the_same_gradients(tiny, name):
    encoder = load(tiny, name)
    states, lengths = padded([one[0] for one in activations(encoder)], "float32")
    gradients = []
    for saves in (False, True):
        blocks = encoder.upper_blocks(0).train()
        blocks.saves_memory = saves
        last = blocks(states, lengths)[blocks.layers[-1]]
        torch.stack([last[i, :n].square().mean() for i, n in enumerate(lengths)]).sum().backward()
        gradients.append({k: p.grad for k, p in trained(blocks)})
    assert gradients[0].keys() == gradients[1].keys()
    for key, wanted in gradients[0].items():
        assert wanted is not None, key
        torch.testing.assert_close(gradients[1][key], wanted)


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_blocks_compute_the_same_in_training(tiny, name):
    encoder = load(tiny, name)
    blocks = encoder.upper_blocks(0)
    states, lengths = padded([one[0] for one in activations(encoder)], "float32")
    with torch.no_grad():
        trained, still = (blocks.train(mode)(states, lengths) for mode in (True, False))
    for layer, wanted in still.items():
        for place, count in enumerate(lengths):
            found = trained[layer][place, :count]
            torch.testing.assert_close(found, wanted[place, :count], rtol=1e-4, atol=1e-5)


def test_training_leaves_the_encoder_as_it_was(tiny):
    encoder = load(tiny, "tiny-wavlm")
    before = activations(encoder)
    blocks = encoder.upper_blocks(1)
    with torch.no_grad():
        for parameter in blocks.parameters():
            parameter.add_(1)
    for one, other in zip(before, activations(encoder), strict=True):
        for layer in one:
            np.testing.assert_array_equal(one[layer], other[layer])


def test_whisper_with_padding_is_refused(tiny):
    with pytest.raises(SettingsError, match="Extract with `--context fit`"):
        load(tiny, "tiny-whisper", "pad").upper_blocks(1)


@pytest.mark.parametrize("first", [-1, 2, 99])
def test_a_layer_without_blocks_above_is_refused(tiny, first):
    with pytest.raises(SettingsError, match="a layer with blocks above it"):
        load(tiny, "tiny-bert").upper_blocks(first)


@pytest.mark.parametrize("name", ["tiny-whisper", "tiny-wavlm-large", "tiny-bert"])
def test_utterances_in_a_row_are_those_side_by_side(tiny, name):
    encoder = load(tiny, name)
    stored = activations(encoder)
    blocks = encoder.upper_blocks(1).eval()
    states, lengths = padded([one[1] for one in stored], "float32")
    rows = torch.cat([torch.from_numpy(one[1]) for one in stored])
    with torch.no_grad():
        expected = blocks(states, lengths)
        found = blocks.ragged(rows, lengths.tolist())
    for layer, side_by_side in expected.items():
        parts = [own[:n] for own, n in zip(side_by_side, lengths, strict=True)]
        torch.testing.assert_close(found[layer], torch.cat(parts), rtol=1e-5, atol=1e-5)


def test_long_utterances_are_cut_as_the_encoder_cut_them(tiny):
    encoder = load(tiny, "tiny-whisper")
    blocks = encoder.upper_blocks(1).eval()
    blocks.max_rows = 10
    rows = torch.randn(37, blocks.blocks[0].embed_dim)
    with torch.no_grad():
        found = blocks.ragged(rows, [25, 12])[2]
        parts = [blocks.ragged(rows[a:b], [b - a])[2] for a, b in WINDOWS]
    torch.testing.assert_close(found, torch.cat(parts), rtol=1e-5, atol=1e-5)


WINDOWS = ((0, 10), (10, 20), (20, 25), (25, 35), (35, 37))
