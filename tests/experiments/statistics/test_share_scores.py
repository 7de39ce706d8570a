import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from tokser.experiments.statistics.share_scores import (
    accuracy_from_shares,
    best_constant_macro_f1,
    counts_in,
    f1_parts,
    kl_from_shares,
    macro_f1_from_shares,
    share_cells,
    uar_from_shares,
)

SIZE = 5


@pytest.fixture
def shares():
    """Votes of four annotators on 200 utterances, and predicted shares."""
    rng = np.random.default_rng(0)
    truth = rng.multinomial(4, [0.4, 0.25, 0.2, 0.1, 0.05], size=200) / 4
    return truth, rng.dirichlet(np.ones(SIZE) * 0.5, size=200)


def test_macro_f1_is_that_of_scikit_learn_above_1_k(shares):
    truth, guess = shares
    sums = share_cells(truth, guess).sum(axis=0)
    expected = f1_score(truth > 1 / SIZE, guess > 1 / SIZE, average="macro")
    assert float(macro_f1_from_shares(sums)) == pytest.approx(expected)
    by_class = f1_score(truth > 1 / SIZE, guess > 1 / SIZE, average=None)
    assert f1_parts(counts_in(sums))[2] == pytest.approx(by_class)


def test_the_example_of_emo_superb_has_two_classes_present():
    cells = share_cells(np.array([[0.5, 0.5, 0, 0]]), np.array([[0.25, 0.25, 0.25, 0.25]]))
    assert cells[0, :, 6].tolist() == [1, 1, 0, 0]
    assert cells[0, :, 5].tolist() == [0, 0, 0, 0]


def test_divergence_is_that_of_scipy(shares):
    truth, guess = shares
    found = kl_from_shares(share_cells(truth, guess).sum(axis=0))
    assert float(found) == pytest.approx(entropy(truth, guess, axis=1).mean(), rel=1e-3)
    one = share_cells(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).sum(axis=0)
    assert float(kl_from_shares(one)) == pytest.approx(-np.log(1e-6))


def test_top_1_counts_where_one_class_is_first(shares):
    truth, guess = shares
    sums = share_cells(truth, guess).sum(axis=0)
    has_one = (truth == truth.max(axis=1, keepdims=True)).sum(axis=1) == 1
    known, said = truth[has_one].argmax(axis=1), guess[has_one].argmax(axis=1)
    assert 0 < has_one.sum() < len(truth)
    assert float(accuracy_from_shares(sums)) == pytest.approx(accuracy_score(known, said))
    assert float(uar_from_shares(sums)) == pytest.approx(balanced_accuracy_score(known, said))


def test_sums_of_several_systems_are_scored_at_once(shares):
    cells = share_cells(*shares)
    both = np.stack([cells[:100].sum(axis=0), cells[100:].sum(axis=0)])
    for score in (macro_f1_from_shares, kl_from_shares, uar_from_shares, accuracy_from_shares):
        assert score(both).tolist() == [pytest.approx(float(score(one))) for one in both]


def test_no_constant_distribution_is_better_than_the_best(shares):
    truth, _ = shares
    best = best_constant_macro_f1(share_cells(truth, truth).sum(axis=0))
    tried = []
    for number in range(2**SIZE - 1):
        above = np.array([number >> place & 1 for place in range(SIZE)], dtype=float)
        guess = (above + 1e-3) / (above + 1e-3).sum()
        constant = np.broadcast_to(guess, truth.shape)
        tried.append(float(macro_f1_from_shares(share_cells(truth, constant).sum(axis=0))))
    assert best == pytest.approx(max(tried))
