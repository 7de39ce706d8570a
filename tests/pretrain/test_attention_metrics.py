import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tokser.pretrain.attention_metrics import entropy, monotonicity


def random_maps(num_tokens, num_frames, seed=0):
    rng = np.random.default_rng(seed)
    maps = np.zeros((len(num_tokens), max(num_tokens), max(num_frames)))
    for row, (tokens, frames) in enumerate(zip(num_tokens, num_frames, strict=True)):
        maps[row, :tokens, :frames] = rng.dirichlet(np.ones(frames), tokens)
    lengths = torch.tensor(num_tokens), torch.tensor(num_frames)
    return torch.from_numpy(maps), *lengths


def test_entropy_is_per_token_over_the_log_of_its_frames():
    maps, tokens, frames = random_maps([3, 2], [9, 5])
    found = entropy(maps, tokens, frames)
    expected = [
        -sum(w * math.log(w) for w in maps[i, m, :n].tolist()) / math.log(n)
        for i, (count, n) in enumerate([(3, 9), (2, 5)])
        for m in range(count)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_flat_attention_has_entropy_one_and_one_frame_zero():
    maps = torch.stack([torch.full((4,), 0.25), torch.eye(4)[2]])[None]
    found = entropy(maps, torch.tensor([2]), torch.tensor([4]))
    assert found.tolist() == pytest.approx([1, 0])
    assert entropy(torch.ones(1, 2, 1), torch.tensor([2]), torch.tensor([1])).tolist() == [1, 1]


def test_diagonality_is_spearmans_of_index_and_attended_time():
    maps, tokens, frames = random_maps([6, 4, 2], [9, 5, 7])
    found = monotonicity(maps, tokens, frames)
    expected = [
        spearmanr(range(m), maps[i, :m, :n].numpy() @ np.arange(n)).statistic
        for i, (m, n) in enumerate([(6, 9), (4, 5)])
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_monotonicity_is_a_rank_correlation():
    forward = torch.eye(5)
    maps = torch.stack([forward, forward.flip(0), torch.full((5, 5), 0.2)])
    lengths = torch.tensor([5, 5, 5])
    assert monotonicity(maps, lengths, lengths).tolist() == pytest.approx([1, -1, 0])
