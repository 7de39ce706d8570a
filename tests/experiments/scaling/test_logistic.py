import numpy as np
import pytest

from tokser.config import GridSettings
from tokser.experiments.classification import Classification
from tokser.experiments.heads.logreg import LogisticHead
from tokser.experiments.heads.per_fold import Part
from tokser.experiments.scaling.logistic import SpannedLogistic


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("shape", [(40, 300), (80, 20)], ids=["wide", "tall"])
def test_probabilities_are_those_of_logreg(shape, num_classes):
    rng = np.random.default_rng(0)
    labels = np.array([f"c{i % num_classes}" for i in range(shape[0])], dtype=object)
    values = rng.normal(size=shape)
    values[:, 0] += [2.0 * int(name[1:]) for name in labels]
    train = Part(values.astype(np.float32), labels, tuple(sorted(set(labels))))
    found = []
    for head in (LogisticHead(), SpannedLogistic()):
        (candidate,) = head.candidates(Classification(), GridSettings(), 0)
        (model,) = candidate.epochs(train)
        found.append(head.outputs(model, train.values[::-1].copy() + 0.5))
    np.testing.assert_allclose(found[1], found[0], atol=2e-3)
