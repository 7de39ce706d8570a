import numpy as np
import pytest
from sklearn.metrics.pairwise import paired_cosine_distances
from sklearn.preprocessing import StandardScaler

from tokser.functionals.distance import Distances


def utterances(seed=0, number=6, dim=5):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 30, number)
    first = [rng.normal(rng.normal(0, 2, dim), 1, (n, dim)).astype(np.float32) for n in lengths]
    second = [rows + rng.normal(0, 0.3, rows.shape).astype(np.float32) for rows in first]
    return first, second


def gathered(first, second):
    found = Distances(first[0].shape[1])
    for rows, others in zip(first, second, strict=True):
        found.add(rows, others)
    return found


def test_it_equals_the_plain_formulas_over_everything_at_once():
    first, second = utterances()
    found = gathered(first, second)
    a, b = np.concatenate(first).astype(float), np.concatenate(second).astype(float)
    cosines = 1 - paired_cosine_distances(a, b)
    assert (found.num_utterances, found.num_rows) == (len(first), len(a))
    assert found.cosine == pytest.approx(cosines.mean(), abs=1e-12)
    for percent in (5, 50, 95):
        wanted = np.percentile(cosines, percent, method="inverted_cdf")
        assert found.cosine_percentile(percent) == pytest.approx(wanted, abs=1e-4)
    assert found.relative_l2 == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a))

    def pooled(all_rows):
        return np.array([[rows.mean(0), rows.std(0)] for rows in all_rows], dtype=float)

    one, other = pooled(first), pooled(second)
    for half, name in enumerate(("means", "stds")):
        wanted = np.linalg.norm(one[:, half] - other[:, half]) / np.linalg.norm(one[:, half])
        assert getattr(found, f"relative_l2_of_{name}") == pytest.approx(wanted, rel=1e-5)
    flat, moved = one.reshape(len(one), -1), other.reshape(len(one), -1)
    scaler = StandardScaler().fit(flat)
    shift = scaler.transform(moved) - scaler.transform(flat)
    assert found.functionals_shift == pytest.approx(np.sqrt(np.square(shift).mean()), rel=1e-4)


def test_the_same_rows_do_not_differ():
    first, _ = utterances()
    found = gathered(first, first)
    assert found.cosine == pytest.approx(1)
    assert found.cosine_percentile(5) == pytest.approx(1, abs=1e-4)
    assert found.relative_l2 == found.relative_l2_of_means == found.functionals_shift == 0


def test_rows_of_zeros_and_functionals_that_never_vary():
    zeros, ones = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    found = gathered([zeros, ones], [zeros, zeros])
    assert found.cosine == 0.5
    alone = gathered([ones], [2 * ones])
    assert np.isnan(alone.functionals_shift)
    assert alone.relative_l2 == 1
    assert np.isnan(alone.relative_l2_of_stds)
