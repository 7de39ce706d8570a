import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from tests.classify.test_intervals import CLASSES, predictions, tally
from tokser.classify.intervals import draw_speakers, interval
from tokser.classify.paired import compare_all, holm, swap_test
from tokser.classify.tally import tally_classes

FIRST = np.array([0.9, 0.8, 0.7, 0.9, 0.6, 0.8, 0.7, 0.9])
SECOND = np.array([0.7, 0.8, 0.5, 0.8, 0.7, 0.6, 0.6, 0.7])


def test_with_a_fold_for_each_speaker_it_is_the_exact_test_of_flipped_signs():
    found = swap_test([tally(FIRST)], [tally(SECOND)], seed=0)
    expected = permutation_test(
        (FIRST, SECOND),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert found == pytest.approx(expected.pvalue)


def test_in_one_fold_whole_speakers_are_swapped():
    (first, speakers), (second, _) = predictions(FIRST, 20), predictions(SECOND, 20)
    first, second = first.assign(fold="random"), second.assign(fold="random")
    clusters = sorted(set(speakers))
    tallies = [tally_classes(t, speakers, clusters, CLASSES) for t in (first, second)]
    differences = []
    for swapped in itertools.product([False, True], repeat=len(clusters)):
        is_swapped = speakers.loc[first["id"]].map(dict(zip(clusters, swapped, strict=True)))
        one = first["prediction"].where(~is_swapped.to_numpy(), second["prediction"])
        other = second["prediction"].where(~is_swapped.to_numpy(), first["prediction"])
        differences.append(uar(first["label"], one) - uar(first["label"], other))
    expected = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)
    assert swap_test(tallies[:1], tallies[1:], seed=0) == pytest.approx(expected)


def uar(truth, guess):
    return np.mean([(guess[truth == name] == name).mean() for name in CLASSES])


def test_equal_predictions_do_not_differ():
    assert swap_test([tally(FIRST)], [tally(FIRST)], seed=0) == 1


def test_many_speakers_are_swapped_at_random_and_agree_with_the_exact_test(monkeypatch):
    exact = swap_test([tally(FIRST)], [tally(SECOND)], seed=0)
    monkeypatch.setattr("tokser.classify.paired._MOST_EXACT", 2)
    found = [swap_test([tally(FIRST)], [tally(SECOND)], seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert found[0] == pytest.approx(exact, abs=0.015)
    assert found[0] > 0


def test_a_true_null_hypothesis_is_rejected_as_often_as_the_level_says():
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(300):
        level = rng.normal(0.6, 0.15, 8)
        a, b = (np.clip(level + rng.normal(0, 0.1, 8), 0, 1) for _ in "ab")
        p_values.append(swap_test([tally(a)], [tally(b)], seed=0))
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.085


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(values):
    expected = [
        max(
            min(1, len(subset) * min(values[j] for j in subset))
            for size in range(1, len(values) + 1)
            for subset in itertools.combinations(range(len(values)), size)
            if i in subset
        )
        for i in range(len(values))
    ]
    assert holm(values) == pytest.approx(expected)


def test_every_pair_is_compared_once_with_the_interval_of_its_difference():
    weights = draw_speakers(8, seed=0)
    tallies = {"x": [tally(FIRST)], "y": [tally(SECOND)], "z": [tally(FIRST / 2)]}
    found = compare_all(tallies, weights, seed=0)
    assert [(c.first, c.second) for c in found] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert found[0].difference == pytest.approx((FIRST - SECOND).mean())
    means = weights @ (FIRST - SECOND) / 8
    assert (found[0].low, found[0].high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert [c.p_holm for c in found] == pytest.approx(holm([c.p for c in found]))
    # Paired: narrower than what two intervals on their own would leave open.
    widths = [np.subtract(*interval(tallies[name], weights)[::-1]) for name in "xy"]
    assert found[0].high - found[0].low < sum(widths)


def test_one_feature_set_has_nothing_to_be_compared_with():
    assert compare_all({"x": [tally(FIRST)]}, draw_speakers(8, seed=0), seed=0) == []
