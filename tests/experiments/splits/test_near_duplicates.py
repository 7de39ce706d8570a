import numpy as np
import pytest

from tokser.experiments.splits import near_duplicates
from tokser.experiments.splits.near_duplicates import (
    directions,
    find_near_duplicates,
    spread_of_cosines,
    threshold_for,
)


def recordings(number=60, dim=96, copies=3, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(3, 2, (number, dim)).astype(np.float32)
    for copy in range(copies):
        values[number - 1 - copy] = values[copy] + rng.normal(0, 0.3, dim)
    return [f"r{i:02d}" for i in range(number)], values


def test_planted_copies_are_found_and_nothing_else():
    ids, values = recordings()
    found = find_near_duplicates(ids, directions(values))
    named = found.named([0, 1, 2])
    assert {pair[:2] for pair in named} == {("r00", "r59"), ("r01", "r58"), ("r02", "r57")}
    assert len(found.cosines) == 3
    assert list(found.cosines) == sorted(found.cosines, reverse=True)
    assert found.nearest_below < 0.6 < 0.9 < named[2].cosine


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_of_any_size_give_what_the_whole_matrix_gives(monkeypatch, block):
    ids, values = recordings(copies=5)
    units = directions(values)
    cosines = np.triu(units @ units.T, 1)
    monkeypatch.setattr(near_duplicates, "_BLOCK", block)
    seen = []
    found = find_near_duplicates(ids, units, threshold=0.2, on_rows=seen.append)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs == set(zip(*map(np.ndarray.tolist, np.nonzero(cosines >= 0.2)), strict=True))
    assert found.nearest_below == pytest.approx(cosines[cosines < 0.2].max(), abs=1e-6)
    assert sum(seen) == len(ids)


def test_loudness_and_offsets_of_functionals_do_not_count():
    ids, values = recordings()
    scales = np.logspace(-3, 3, values.shape[1])
    found = find_near_duplicates(ids, directions((values * scales + 7).astype(np.float32)))
    assert len(found.cosines) == 3


def test_the_threshold_follows_the_spread_within_bounds():
    assert threshold_for(0.05) == 0.80
    assert threshold_for(0.145) == pytest.approx(0.87)
    assert threshold_for(0.2) == 0.95
    _, values = recordings(300, 400, copies=0)
    assert spread_of_cosines(directions(values)) == pytest.approx(1 / 20, rel=0.1)


def test_exact_copies_are_left_to_the_checksums():
    ids, values = recordings()
    found = find_near_duplicates(ids, directions(values))
    left = found.without_copies({"r00": "a", "r59": "a", "r01": "b", "r58": "c"})
    assert {p[:2] for p in left.named(range(2))} == {("r01", "r58"), ("r02", "r57")}
    assert len(left.cosines) == 2


def test_recordings_that_are_all_alike_are_given_up_not_held():
    values = np.tile(np.eye(1, 8, dtype=np.float32), (200, 1))
    found = find_near_duplicates([str(i) for i in range(200)], values)
    assert not found.is_complete
    assert len(found.cosines) == 0


def test_constant_functionals_are_no_error():
    ids, values = recordings()
    values[:, :10] = 4
    assert len(find_near_duplicates(ids, directions(values)).cosines) == 3
    alone = find_near_duplicates(["a"], directions(values[:1]))
    assert (len(alone.cosines), alone.nearest_below) == (0, -1)
