import numpy as np
import pytest

from tokser.experiments.splits import close_pairs
from tokser.experiments.splits.close_pairs import find_close_pairs


def vectors(number=300, width=160, axes=24, seed=0):
    """Unit vectors that lie mostly on a few axes, with some near copies."""
    rng = np.random.default_rng(seed)
    scales = np.r_[np.ones(axes), np.full(width - axes, 0.05)]
    mixed = np.linalg.qr(rng.normal(size=(width, width)))[0]
    values = (rng.normal(size=(number, width)) * scales) @ mixed
    values[-20:] = values[:20] + 0.1 * rng.normal(size=(20, width))
    units = values / np.linalg.norm(values, axis=1, keepdims=True)
    return units.astype(np.float32)


def collect(units, least, spread=0.05, **options):
    blocks = list(find_close_pairs(units, least, spread=spread, **options))
    pairs = {
        (int(a), int(b)): float(cosine)
        for one in blocks
        for a, b, cosine in zip(one.first, one.second, one.cosines, strict=True)
    }
    return pairs, blocks[-1].nearest_below, sum(one.num_rows for one in blocks)


def in_full(units, least):
    cosines = np.triu(units @ units.T, 1)
    is_found = cosines >= least
    pairs = {(int(a), int(b)): float(cosines[a, b]) for a, b in np.argwhere(is_found)}
    return pairs, float(cosines[~is_found].max())


@pytest.mark.parametrize("fewest", [0, 2_048], ids=["bound", "few"])
@pytest.mark.parametrize("block", [7, 64, 1_024])
@pytest.mark.parametrize("least", [0.3, 0.7, 0.9])
def test_the_bound_misses_no_pair(block, least, fewest, monkeypatch):
    monkeypatch.setattr(close_pairs, "_FEWEST", fewest)
    units = vectors()
    pairs, nearest, num_rows = collect(units, least, block=block)
    expected, below = in_full(units, least)
    assert pairs == pytest.approx(expected, abs=1e-5)
    assert len(expected) >= 20
    assert nearest == pytest.approx(below, abs=1e-5)
    assert num_rows == len(units)


def test_few_axes_bound_vectors_that_lie_on_few(monkeypatch):
    monkeypatch.setattr(close_pairs, "_FEWEST", 300)
    units = vectors()
    bounding = close_pairs._bounding(units, 0.8, 0.05)
    assert bounding.shape[1] < 40
    assert (bounding @ bounding.T >= units @ units.T - 1e-5).all()
    monkeypatch.setattr(close_pairs, "_FEWEST", 301)
    assert close_pairs._bounding(units, 0.8, 0.05) is units


def test_vectors_in_all_directions_are_compared_in_full(monkeypatch):
    monkeypatch.setattr(close_pairs, "_FEWEST", 0)
    rng = np.random.default_rng(0)
    units = rng.normal(size=(400, 200)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    assert close_pairs._bounding(units, 0.8, 0.25) is units


def test_most_pairs_of_narrow_axes_are_not_computed(monkeypatch):
    computed = []
    original = close_pairs._computed

    def counted(*given, **options):
        pairs = original(*given, **options)
        computed.append(len(pairs[0]))
        return pairs

    monkeypatch.setattr(close_pairs, "_computed", counted)
    units = vectors(axes=60)
    collect(units, 0.9, 0.15, nearest_below=0.85)
    assert 20 <= sum(computed) < 0.1 * len(units) ** 2 / 2


def test_zero_vectors_are_near_nothing():
    units = vectors()
    units[:5] = 0
    pairs, _, _ = collect(units, 0.9)
    assert pairs.keys() == in_full(units, 0.9)[0].keys()
    assert not {place for pair in pairs for place in pair} & set(range(5))
