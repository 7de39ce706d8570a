import numpy as np
import pytest
from sklearn.svm import SVC

from tokser.experiments.heads.gaussian_svm import GaussianSVM, TrainingKernel

COSTS = (0.1, 1.0, 100.0)


def made(num_classes, seed=0, number=90, width=12):
    rng = np.random.default_rng(seed)
    labels = np.array(list("abcdefg"), dtype=object)[np.arange(number) % num_classes]
    centres = rng.normal(size=(num_classes, width))
    values = centres[np.arange(number) % num_classes] + rng.normal(size=(number, width))
    return values.astype(np.float32), labels


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("num_classes", [2, 3, 7])
def test_decisions_are_those_of_scikit_learn(num_classes, class_weight, cost):
    values, labels = made(num_classes)
    labels[:9] = labels[0]  # classes of unequal size
    tested, _ = made(num_classes, seed=1)
    expected = SVC(C=cost, class_weight=class_weight).fit(values, labels)
    found = TrainingKernel(values).fit(labels, cost, class_weight)
    assert found.classes_.tolist() == expected.classes_.tolist()
    for own in (values, tested):  # both are as near to the optimum as libsvm goes: 1e-3
        np.testing.assert_allclose(
            found.decision_function(own), expected.decision_function(own), atol=1e-3
        )


def test_what_scikit_learn_has_fitted_decides_the_same():
    values, labels = made(4)
    fitted = SVC(C=3.0).fit(values, labels)
    found = GaussianSVM.of(fitted, fitted._gamma, fitted.support_vectors_)
    np.testing.assert_allclose(
        found.decision_function(values), fitted.decision_function(values), atol=1e-9
    )


def test_values_that_are_all_equal_have_a_kernel():
    found = TrainingKernel(np.ones((4, 3), np.float32)).fit(np.array(list("abab")), 1.0, None)
    assert found.gamma == 1.0
    assert np.isfinite(found.decision_function(np.ones((2, 3), np.float32))).all()


def test_values_without_a_number_are_refused():
    values, labels = made(3)
    fitted = TrainingKernel(values).fit(labels, 1.0, None)
    values[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        fitted.decision_function(values)
    with pytest.raises(ValueError, match="NaN"):
        TrainingKernel(values).fit(labels, 1.0, None)
