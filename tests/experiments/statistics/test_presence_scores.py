import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from tokser.experiments.statistics.presence_scores import (
    BINS,
    ap_by_class,
    bins_of,
    exact_ap,
    macro_f1_from_presence,
    mean_ap_from_presence,
    presence_sums,
)


@pytest.fixture
def presence():
    """Three classes that are present in a half, a fifth and a twentieth of 400 utterances."""
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 3)) < [0.5, 0.2, 0.05]).astype(float)
    logits = truth * [2, 1, 1] - 1 + rng.normal(size=truth.shape)
    return truth, 1 / (1 + np.exp(-logits))


def test_average_precision_is_that_of_rounded_logits(presence):
    truth, guess = presence
    found = ap_by_class(presence_sums(truth, guess)[0])
    ranks = bins_of(guess)
    for place in range(3):
        rounded = average_precision_score(truth[:, place], ranks[:, place])
        assert found[place] == pytest.approx(rounded)
        exact = exact_ap(truth, guess, "abc")["abc"[place]]
        assert exact == average_precision_score(truth[:, place], guess[:, place])
        assert found[place] == pytest.approx(exact, abs=0.01)


def test_macro_f1_is_that_of_scikit_learn_at_a_half(presence):
    truth, guess = presence
    expected = f1_score(truth, guess >= 0.5, average="macro")
    assert macro_f1_from_presence(presence_sums(truth, guess)) == pytest.approx(expected)


def test_units_add_up_to_the_whole(presence):
    truth, guess = presence
    units = np.arange(400) % 7
    by_unit = presence_sums(truth, guess, units, 7)
    np.testing.assert_array_equal(by_unit.sum(axis=0), presence_sums(truth, guess)[0])
    assert by_unit.sum(axis=(1, 2, 3)).tolist() == [3 * (units == unit).sum() for unit in range(7)]


def test_a_class_that_is_never_present_does_not_count(presence):
    truth, guess = presence
    truth[:, 2] = 0
    sums = presence_sums(truth, guess)
    expected = ap_by_class(sums)[0, :2].mean()
    assert mean_ap_from_presence(sums) == pytest.approx(expected)
    assert list(exact_ap(truth, guess, "abc")) == ["a", "b"]


def test_certain_probabilities_lie_in_the_outermost_ranges():
    assert bins_of(np.array([0.0, 0.5, 1.0])).tolist() == [0, BINS // 2, BINS - 1]
