import pytest
import torch
from torch import nn

from tokser.pretrain.dropout import ChunkDropout, draws_from


def test_draws_follow_the_seed_and_leave_torchs_generator_alone():
    rows, dropout = torch.ones(1_000, 3), ChunkDropout(0.3)
    state = torch.get_rng_state()
    found = []
    for seed in (1, 2, 1):
        with draws_from(seed):
            found.append(dropout(rows))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])
    assert found[0].unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert float((found[0] == 0).float().mean()) == pytest.approx(0.3, abs=0.05)


def test_without_a_seed_it_is_torchs_own():
    rows, found = torch.ones(50, 3), []
    for module in (ChunkDropout(0.3), nn.Dropout(0.3)):
        torch.manual_seed(0)
        with draws_from(None):
            found.append(module(rows))
    assert torch.equal(*found)


def test_nothing_is_dropped_in_evaluation():
    rows = torch.ones(50, 3)
    with draws_from(1):
        assert torch.equal(ChunkDropout(0.3).eval()(rows), rows)
        assert torch.equal(ChunkDropout(0.0)(rows), rows)
