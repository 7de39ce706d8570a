"""Confident learning: what is flagged, and how much noise is estimated."""

import importlib.util

import numpy as np
import pytest

from tokser.errors import MissingPackageError
from tokser.experiments.doubtful_labels import confident
from tokser.experiments.doubtful_labels.confident import learn_confidently


def plain_joint(labels, probabilities):
    """The confident joint as the paper writes it, rows scaled to the counts of labels."""
    size = probabilities.shape[1]
    thresholds = np.array([probabilities[labels == j, j].mean() for j in range(size)])
    counts = np.zeros((size, size))
    for label, row in zip(labels, probabilities, strict=True):
        above = row >= thresholds - 1e-6
        if above.any():
            counts[label, np.where(above, row, -1).argmax()] += 1
    scaled = counts / counts.sum(axis=1, keepdims=True) * np.bincount(labels)[:, None]
    return scaled / scaled.sum()


@pytest.fixture
def noisy():
    rng = np.random.default_rng(1)
    true = rng.integers(0, 3, 300)
    probabilities = 0.7 * np.eye(3)[true] + 0.3 * rng.dirichlet([1, 1, 1], 300)
    labels = true.copy()
    wrong = rng.choice(300, 30, replace=False)
    labels[wrong] = (labels[wrong] + 1) % 3
    return labels, probabilities, np.isin(np.arange(300), wrong)


def test_planted_errors_are_flagged_where_the_model_is_right(noisy):
    labels, probabilities, is_wrong = noisy
    found = learn_confidently(labels, probabilities)
    assert found.is_flagged[is_wrong].mean() > 0.7  # those above the mean of their class
    assert not found.is_flagged[~is_wrong].any()


def test_the_joint_is_that_of_the_paper(noisy):
    labels, probabilities, _ = noisy
    found = learn_confidently(labels, probabilities)
    np.testing.assert_allclose(found.joint, plain_joint(labels, probabilities), atol=0.004)
    assert found.joint.sum() == pytest.approx(1)
    assert found.joint[1, 0] > 5 * found.joint[2, 0]


def test_a_class_without_an_utterance_is_left_out(noisy):
    labels, probabilities, _ = noisy
    kept = labels != 1
    found = learn_confidently(labels[kept], probabilities[kept])
    assert found.joint.shape == (3, 3)
    assert found.joint[1].sum() == found.joint[:, 1].sum() == 0


def test_without_cleanlab_the_extra_is_named(noisy, monkeypatch):
    known = importlib.util.find_spec
    monkeypatch.setattr(confident, "find_spec", lambda name: None if name == "cleanlab" else known)
    with pytest.raises(MissingPackageError, match=r"pip install 'tokser\[labels\]'"):
        learn_confidently(*noisy[:2])
