import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.experiments.statistics.crossfit import CrossFit, crossfit_score, halves_of
from tokser.experiments.statistics.metrics import uar_from_confusion

CLASSES = 3


def confusions(truth, guess, half):
    """Counts of both halves, one by one."""
    found = np.zeros((2, CLASSES, CLASSES), dtype=np.int64)
    for t, g, h in zip(truth, guess, half, strict=True):
        found[h, t, g] += 1
    return found


def uar(truth, guess):
    found = set(truth.tolist())
    return sum(float((guess[truth == t] == t).mean()) for t in found) / max(len(found), 1)


def naive(truth, guesses, half):
    """Select point and epoch on one half, guess the other, and the reverse; score all together."""
    together = np.empty(len(truth), dtype=int)
    for h in (0, 1):
        best, best_uar = None, -1.0
        for point in guesses:
            for guess in point:
                reached = uar(truth[half == h], guess[half == h])
                if reached > best_uar:
                    best, best_uar = guess, reached
        together[half != h] = best[half != h]
    return uar(truth, together)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 4), st.integers(1, 5))
def test_it_is_what_a_plain_loop_over_points_and_epochs_finds(seed, num_dev, points, epochs):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, num_dev)
    half = halves_of([f"u{i}" for i in rng.permutation(num_dev)], truth.tolist())
    guesses = rng.integers(0, CLASSES, (points, epochs, num_dev))
    together = CrossFit(uar_from_confusion)  # all points side by side
    for epoch in range(epochs):
        together.add_epoch(np.stack([confusions(truth, g[epoch], half) for g in guesses]))
    found = crossfit_score([together.best.of(p) for p in range(points)], uar_from_confusion)
    assert found == pytest.approx(naive(truth, guesses, half), abs=1e-12)


def test_epochs_after_a_model_has_stopped_do_not_count():
    truth, half = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    wrong, right = confusions(truth, 1 - truth, half), confusions(truth, truth, half)
    fit = CrossFit(uar_from_confusion)
    fit.add_epoch(np.stack([wrong, wrong]))
    fit.add_epoch(np.stack([right, right]), np.array([True, False]))
    assert fit.best.reached.tolist() == [[1, 1], [0, 0]]
    assert crossfit_score([fit.best.of(0)], uar_from_confusion) == 1
    assert crossfit_score([fit.best.of(1)], uar_from_confusion) == 0


def test_choosing_among_noise_scores_chance_not_the_best_of_it():
    rng = np.random.default_rng(0)
    truth = np.arange(90) % CLASSES
    half = halves_of([f"u{i:02d}" for i in range(90)], truth.tolist())
    fit, highest = CrossFit(uar_from_confusion), 0.0
    for guess in rng.integers(0, CLASSES, (200, 90)):
        sums = confusions(truth, guess, half)
        fit.add_epoch(sums[None])
        highest = max(highest, float(uar_from_confusion(sums.sum(axis=0)[None])[0]))
    assert highest > 0.43
    assert abs(crossfit_score([fit.best], uar_from_confusion) - 1 / 3) < 0.08


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.randoms())
def test_halves_share_every_class_whatever_the_order(labels, random):
    ids = [f"u{i:02d}" for i in range(len(labels))]
    half = halves_of(ids, labels)
    for label in set(labels):
        mine = half[np.array(labels) == label]
        assert (np.diff(mine) != 0).all()  # in turn, by id
    assert abs(int((half == 0).sum()) - int((half == 1).sum())) <= 1
    order = random.sample(range(len(ids)), len(ids))
    shuffled = halves_of([ids[i] for i in order], [labels[i] for i in order])
    assert shuffled.tolist() == half[order].tolist()
