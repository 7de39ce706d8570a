import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    recall_score,
)

from tokser.experiments.statistics.metrics import (
    ccc,
    confusion_of,
    score,
    uar_from_confusion,
)

emotions = st.sampled_from(["anger", "fear", "neutral", "sadness"])


@given(st.lists(st.tuples(emotions, emotions), min_size=1, max_size=40))
def test_scores_agree_with_scikit_learn(pairs):
    truth, guesses = map(list, zip(*pairs, strict=True))
    present = sorted(set(truth))
    found = score(truth, guesses)
    how = {"labels": present, "zero_division": 0}
    assert found.uar == pytest.approx(recall_score(truth, guesses, average="macro", **how))
    assert found.accuracy == np.mean(np.array(truth) == np.array(guesses))
    assert found.macro_f1 == pytest.approx(f1_score(truth, guesses, average="macro", **how))
    assert found.weighted_f1 == pytest.approx(f1_score(truth, guesses, average="weighted", **how))
    assert found.num_test == len(pairs)


def test_uar_is_balanced_accuracy():
    rng = np.random.default_rng(0)
    truth, guesses = (rng.choice(["a", "b", "c"], 60, p=[0.7, 0.2, 0.1]).tolist() for _ in "tg")
    assert score(truth, guesses).uar == pytest.approx(balanced_accuracy_score(truth, guesses))


def test_a_class_without_truth_is_not_recall_0():
    assert score(["a", "a", "b", "b"], ["a", "a", "b", "c"]).uar == 0.75


def test_guesses_of_classes_outside_the_truth_are_plain_errors():
    found = score(["a", "a"], ["b", "c"])
    assert (found.uar, found.accuracy, found.macro_f1, found.weighted_f1) == (0, 0, 0, 0)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_many_confusions_at_once_give_the_uar_of_each(seed):
    rng = np.random.default_rng(seed)
    confusions = rng.integers(0, 9, (5, 4, 4))
    confusions[0, 2] = 0  # a class that the truth lacks
    for confusion, found in zip(confusions, uar_from_confusion(confusions), strict=True):
        truth, guesses = (
            np.repeat(axis, confusion.ravel()) for axis in np.indices((4, 4)).reshape(2, -1)
        )
        expected = recall_score(
            truth, guesses, labels=sorted(set(truth)), average="macro", zero_division=0
        )
        assert found == pytest.approx(expected)


@given(st.lists(st.tuples(emotions, emotions), min_size=1, max_size=40))
def test_confusions_are_those_of_scikit_learn(pairs):
    truth, guesses = map(list, zip(*pairs, strict=True))
    classes = ["anger", "fear", "neutral", "sadness"]
    np.testing.assert_array_equal(
        confusion_of(truth, guesses, classes), confusion_matrix(truth, guesses, labels=classes)
    )


def test_concordance_is_correlation_times_agreement():
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 1, 50), rng.normal(2, 2, 50)
    y += x
    ratio = x.std() / y.std()
    agreement = 2 / (ratio + 1 / ratio + (x.mean() - y.mean()) ** 2 / (x.std() * y.std()))
    assert ccc(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1] * agreement)
    assert ccc(x, x) == pytest.approx(1)
    assert ccc(x, -x + 2 * x.mean()) == pytest.approx(-1)
    assert ccc(x, x + 1) < 1 and ccc(np.ones(5), np.ones(5)) == 0
