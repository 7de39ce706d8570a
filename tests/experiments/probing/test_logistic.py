import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tokser.experiments.probing.folds import Fold
from tokser.experiments.probing.logistic import PENALTIES, logistic_predictions
from tokser.experiments.statistics.metrics import score

CLASSES = ("a", "b", "c")


def made(num=60, dim=150, seed=0):
    """Three classes, of which one is rarer; a column is constant."""
    rng = np.random.default_rng(seed)
    number = np.where(np.arange(num) % 6 == 5, 0, np.arange(num) % 3)
    labels = np.array(CLASSES, dtype=object)[number]
    values = rng.normal(size=(num, dim))
    values[:, 2:8] += 2 * np.eye(3)[number].repeat(2, axis=1)
    values[:, 1] = 4.0
    folds = [Fold(np.arange(0, 30), np.arange(30, 45), np.arange(45, 60))]
    return values, labels, folds


@pytest.mark.parametrize("dim", [12, 150])
def test_classes_are_those_of_scikit_learn(dim):
    values, labels, folds = made(dim=dim)
    (found,) = logistic_predictions(values, [labels], folds, CLASSES)
    guesses = []
    for penalty in PENALTIES:
        model = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=penalty, class_weight="balanced", tol=1e-8, max_iter=9_000),
        )
        guess = model.fit(values[:30], labels[:30]).predict(values[30:45])
        guesses.append(score(labels[30:45].tolist(), guess.tolist()).uar)
    best = PENALTIES[int(np.argmax(guesses))]
    model.set_params(logisticregression__C=best).fit(values[:45], labels[:45])
    assert found[45:].tolist() == model.predict(values[45:]).tolist()


def test_controls_are_predicted_beside_the_target():
    values, labels, folds = made()
    shuffled = np.random.default_rng(1).permutation(labels)
    found = logistic_predictions(values, [labels, shuffled], folds, CLASSES)
    assert np.mean(found[0][45:] == labels[45:]) > 0.7
    assert np.mean(found[1][45:] == shuffled[45:]) < 0.7


def test_a_class_that_training_lacks_is_never_predicted():
    values, labels, folds = made()
    labels[:45] = np.where(labels[:45] == "c", "a", labels[:45])
    (found,) = logistic_predictions(values, [labels], folds, CLASSES)
    assert set(found[45:]) == {"a", "b"}
    labels[:45] = "a"
    (found,) = logistic_predictions(values, [labels], folds, CLASSES)
    assert set(found[45:]) == {"a"}
