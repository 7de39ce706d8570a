import threading

import numpy as np
import pytest
import torch
from torch.nn import functional

from tokser import onednn
from tokser.encoders import fast_products, load_encoder
from tokser.encoders.fast_products import FastProducts, attend

CPU = torch.device("cpu")
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}

pytestmark = pytest.mark.skipif(
    onednn.LINEAR is None,
    reason="this torch has no oneDNN",
)


@pytest.fixture(autouse=True)
def fixed_noise():
    torch.manual_seed(0)


def qkv(dtype, rows=2, heads=3, queries=20, keys=31, width=8):
    shapes = [(rows, queries), (rows, keys), (rows, keys)]
    return [torch.randn(*shape, heads, width, dtype=dtype).transpose(1, 2) for shape in shapes]


def distance(found, wanted):
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


def masks(queries=20, keys=31):
    sees = torch.rand(2, 1, 1, keys) < 0.6
    sees[..., 0] = True
    return {
        "none": None,
        "keys seen": sees,
        "seen by each query": (sees & (torch.rand(2, 3, queries, keys) < 0.9))
        | (torch.arange(keys) == 0),
        "added to scores": torch.randn(2, 3, queries, keys),
        "added for all rows": torch.randn(queries, keys),
    }


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("name", list(masks()))
@pytest.mark.parametrize("at_once", [7, 512])
def test_attention_is_torchs_own(dtype, name, at_once, monkeypatch):
    monkeypatch.setattr(fast_products, "QUERIES", at_once)
    query, key, value = qkv(dtype)
    mask = masks()[name]
    if mask is not None and mask.dtype != torch.bool:
        mask = mask.to(dtype)
    found = attend(query, key, value, mask, 0.3)
    exact = [one.float() for one in (query, key, value)]
    exact_mask = mask.float() if mask is not None and mask.dtype != torch.bool else mask
    wanted = functional.scaled_dot_product_attention(*exact, exact_mask, scale=0.3)
    assert found.dtype == dtype
    assert distance(found, wanted) < TOLERANCE[dtype]


def test_bf16_keeps_scores_in_fp32():
    query, key, value = qkv(torch.bfloat16, queries=200, keys=300, width=64)
    found = attend(query * 4, key, value, None, 0.125)
    exact = [one.float() for one in (query * 4, key, value)]
    wanted = functional.scaled_dot_product_attention(*exact, scale=0.125)
    rounded = (query * 4 * 0.125) @ key.transpose(2, 3)
    of_rounded = torch.softmax(rounded.float(), -1) @ value.float()
    assert distance(found, wanted) < 0.7 * distance(of_rounded, wanted)


@pytest.mark.parametrize("shape", [(5, 8), (2, 5, 8), (1, 8), (0, 8), (8,)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_linear_maps_are_torchs_own(shape, has_bias):
    layer = torch.nn.Linear(8, 6, bias=has_bias)
    given = torch.randn(shape)
    with torch.inference_mode(), FastProducts(torch.float32):
        found = layer(given)
    torch.testing.assert_close(found, layer(given).detach(), rtol=1e-5, atol=1e-6)


def test_a_transposed_input_and_other_types_are_taken():
    layer, given = torch.nn.Linear(8, 6), torch.randn(3, 8, 5).transpose(1, 2)
    with torch.inference_mode(), FastProducts(torch.float32):
        torch.testing.assert_close(layer(given), layer(given.contiguous()))
        assert layer.double()(given.double()).dtype == torch.float64


def spied(monkeypatch):
    """Count the calls of `attend`."""
    calls = []

    def counted(*args):
        calls.append(args)
        return attend(*args)

    monkeypatch.setattr(fast_products, "attend", counted)
    monkeypatch.setattr(fast_products, "FEWEST_SCORES", 600)
    return calls


@pytest.mark.parametrize(
    ("num_keys", "options", "is_ours"),
    [
        (31, {}, True),
        (31, {"scale": 0.2}, True),
        (31, {"attn_mask": torch.ones(20, 31, dtype=torch.bool)}, True),
        (29, {}, False),
        (31, {"is_causal": True}, False),
        (31, {"enable_gqa": True}, False),
    ],
)
def test_only_large_plain_attention_is_taken(num_keys, options, is_ours, monkeypatch):
    calls = spied(monkeypatch)
    query, key, value = qkv(torch.float32, keys=num_keys)
    wanted = functional.scaled_dot_product_attention(query, key, value, **options)
    with torch.inference_mode(), FastProducts(torch.float32):
        found = functional.scaled_dot_product_attention(query, key, value, **options)
    assert bool(calls) == is_ours
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_another_thread_and_what_follows_are_left_alone(monkeypatch):
    calls = spied(monkeypatch)
    arrays = qkv(torch.float32)
    with FastProducts(torch.float32):
        other = threading.Thread(target=functional.scaled_dot_product_attention, args=arrays)
        other.start()
        other.join()
    functional.scaled_dot_product_attention(*arrays)
    assert not calls


@pytest.mark.parametrize("name", ["tiny-whisper", "tiny-wavlm", "tiny-hubert", "tiny-bert"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_encoders_give_the_same_rows(tiny, name, precision, monkeypatch):
    encoder = load_encoder(str(tiny / name), revision=None, device=CPU, precision=precision)
    given = [np.arange(1, 40, dtype=np.int32)]
    if encoder.kind == "speech":
        given = [np.random.default_rng(0).normal(0, 0.1, 30_000).astype(np.float32)]
    monkeypatch.setattr(fast_products, "FEWEST_SCORES", 1)
    layers = range(encoder.num_layers + 1)
    rows = {}
    for is_fast in (False, True):
        monkeypatch.setattr(fast_products, "suits", lambda dtype, fast=is_fast: fast)
        (rows[is_fast],) = encoder.encode(given, layers)
    tolerance = {"fp32": 1e-5, "bf16": 3e-2}[precision]
    for layer in layers:
        found, wanted = (torch.from_numpy(rows[is_fast][layer]) for is_fast in (True, False))
        assert distance(found, wanted) < tolerance
