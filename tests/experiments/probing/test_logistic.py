import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tokser.experiments.probing.folds import Fold
from tokser.experiments.probing.logistic import PENALTIES, logistic_predictions


def made(num=60, dim=150, seed=0):
    """Three classes in more columns than samples, one of which is constant."""
    rng = np.random.default_rng(seed)
    labels = np.array(["a", "b", "c"], dtype=object)[np.arange(num) % 3]
    values = rng.normal(size=(num, dim))
    values[:, 2:8] += 2 * np.eye(3)[np.arange(num) % 3].repeat(2, axis=1)
    values[:, 1] = 4.0
    folds = [Fold(np.arange(0, 30), np.arange(30, 45), np.arange(45, 60))]
    return values, labels, folds


def test_rotated_values_give_the_model_of_all_columns():
    values, labels, folds = made()
    (found,) = logistic_predictions(values, [labels], folds, ["a", "b", "c"])
    both = np.arange(45)
    scaler = StandardScaler().fit(values[both])
    guesses = []
    for penalty in PENALTIES:
        model = LogisticRegression(C=penalty, class_weight="balanced", tol=1e-6, max_iter=5_000)
        model.fit(scaler.transform(values[both]), labels[both])
        guesses.append(model.predict(scaler.transform(values[45:])).tolist())
    assert found[45:].tolist() in guesses


def test_controls_are_predicted_beside_the_target():
    values, labels, folds = made()
    shuffled = np.random.default_rng(1).permutation(labels)
    found = logistic_predictions(values, [labels, shuffled], folds, ["a", "b", "c"])
    assert np.mean(found[0][45:] == labels[45:]) > np.mean(found[1][45:] == shuffled[45:])


def test_a_fold_with_one_class_predicts_it():
    values, labels, folds = made()
    labels[:45] = "a"
    (found,) = logistic_predictions(values, [labels], folds, ["a", "b", "c"])
    assert set(found[45:]) == {"a"}
