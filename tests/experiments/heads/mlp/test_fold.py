import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from tokser.experiments.heads.losses import class_importance


def test_importance_is_scikit_learns_balanced_weight():
    labels = np.array([0, 0, 0, 2, 1, 2, 0])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = class_importance(labels, 3, is_balanced=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert class_importance(labels, 3, is_balanced=False).tolist() == [1, 1, 1]


def test_a_class_that_train_lacks_has_a_finite_importance():
    assert np.isfinite(class_importance(np.array([0, 2]), 3, is_balanced=True)).all()
