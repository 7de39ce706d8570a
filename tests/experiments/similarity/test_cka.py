import numpy as np
import pytest
import torch

from tokser.errors import InputError
from tokser.experiments.similarity.cka import Batch, cka_of, unbiased_hsic
from tokser.intervals import jackknife


def drawn(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def plain_hsic(x, y):
    """HSIC_1 as Song et al. write it, equation 4; features are not centred."""
    num = len(x)
    of_x, of_y = (x @ x.T).fill_diagonal_(0), (y @ y.T).fill_diagonal_(0)
    ones = torch.ones(num, dtype=x.dtype)
    first = torch.trace(of_x @ of_y)
    second = (ones @ of_x @ ones) * (ones @ of_y @ ones) / ((num - 1) * (num - 2))
    third = 2 * (ones @ of_x @ of_y @ ones) / (num - 2)
    return (first + second - third) / (num * (num - 3))


def test_hsic_is_that_of_the_written_equation():
    features = [drawn(9, 4), drawn(9, 3, seed=1)]
    found = unbiased_hsic(features)
    for a, x in enumerate(features):
        for b, y in enumerate(features):
            torch.testing.assert_close(found[a, b], plain_hsic(x, y))


def test_the_estimate_of_independent_features_is_unbiased():
    pairs = ([drawn(8, 5, seed=i), drawn(8, 5, seed=-i - 1 + 10_000)] for i in range(3000))
    values = np.array([float(unbiased_hsic(pair)[0, 1]) for pair in pairs])
    assert abs(values.mean()) < 3 * values.std() / len(values) ** 0.5


def test_rotation_and_scale_do_not_matter():
    x = drawn(40, 6)
    rotation = torch.linalg.qr(drawn(6, 6, seed=1))[0]
    found = cka_of([Batch([x, 3 * x @ rotation + 5])]).cka
    np.testing.assert_allclose(found, np.ones((2, 2)), atol=1e-9)


def test_minibatches_agree_with_one_batch():
    x = drawn(600, 8)
    y = x @ drawn(8, 8, seed=1) + 0.5 * drawn(600, 8, seed=2)
    whole = cka_of([Batch([x, y])]).cka[0, 1]
    batches = [Batch([x[i : i + 100], y[i : i + 100]]) for i in range(0, 600, 100)]
    parts = cka_of(batches).cka[0, 1]
    assert parts == pytest.approx(whole, abs=0.02)
    assert 0.1 < whole < 0.95


def test_a_constant_feature_has_no_similarity():
    found = cka_of([Batch([drawn(9, 3), torch.ones(9, 2, dtype=torch.float64)])]).cka
    assert np.isnan(found[0, 1])
    assert found[0, 0] == pytest.approx(1)


def test_nothing_to_compare_is_said():
    with pytest.raises(InputError, match="fewer"):
        cka_of([])


def of_units(num_units, seed, each=6):
    """Two features that share half their variance, with an offset of their own for each unit."""
    units = np.repeat(np.arange(num_units), each)
    common, own = (drawn(len(units), 5, seed=seed + place) for place in (0, 1))
    shift = drawn(num_units, 5, seed=seed + 2)[units]
    return Batch([common + shift, common + shift @ drawn(5, 5, seed=seed + 3) + own], units)


def test_intervals_leave_out_whole_units():
    (x, y), units = of_units(7, seed=1)
    found = cka_of([Batch([x, y], units)])
    without = []
    for unit in range(7):
        kept = torch.from_numpy(units != unit)
        without.append(cka_of([Batch([x[kept], y[kept]])]).cka[0, 1])
    expected = jackknife(
        found.cka[0, 1], np.array(without), scale="correlation", num_observations=7
    )
    assert (found.low[0, 1], found.high[0, 1]) == pytest.approx((expected.low, expected.high))
    assert found.low[0, 1] < found.cka[0, 1] < found.high[0, 1]
    np.testing.assert_allclose([found.low[0, 0], found.high[0, 0]], 1, atol=1e-6)


def test_units_of_several_minibatches_are_left_out_of_all():
    parts = [of_units(6, seed=seed) for seed in (1, 11, 21)]
    found = cka_of(parts)
    kept = [Batch([one[torch.from_numpy(b.units != 2)] for one in b.features]) for b in parts]
    sums = [sum(unbiased_hsic(b.features) for b in batches) for batches in (parts, kept)]
    assert found.cka[0, 1] == pytest.approx(
        float(sums[0][0, 1] / (sums[0][0, 0] * sums[0][1, 1]) ** 0.5)
    )
    assert found.low[0, 1] < cka_of(kept).cka[0, 1] < found.high[0, 1]


def test_few_units_have_no_interval():
    (x, y), units = of_units(3, seed=1)
    found = cka_of([Batch([x, y], units)])
    assert np.isnan(found.low).all()
    assert np.isfinite(found.cka).all()


def of_speakers(num_units, seed):
    """A feature, and one that mixes its speakers' offsets otherwise and adds noise."""
    units = np.repeat(np.arange(num_units), 6)
    shift = drawn(num_units, 5, seed=[seed, 0])[units]
    x = drawn(len(units), 5, seed=[seed, 1]) + shift
    return Batch([x, x + shift @ drawn(5, 5, seed=8) + drawn(len(units), 5, seed=[seed, 2])], units)


@pytest.mark.slow
def test_intervals_hold_what_many_speakers_give():
    truth = cka_of([of_speakers(500, 0)._replace(units=None)]).cka[0, 1]
    found = [cka_of([of_speakers(12, seed)]) for seed in range(1, 101)]
    hits = sum(one.low[0, 1] <= truth <= one.high[0, 1] for one in found)
    assert 88 <= hits <= 100
