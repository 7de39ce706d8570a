"""The linear probe against scikit-learn's logistic regression."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from tokser.experiments.heads.tuned.probe import STRENGTH, fit_last_layer


def test_it_is_logistic_regression():
    rng = np.random.default_rng(0)
    values, target = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)
    values[np.arange(60), target] += 2
    expected = LogisticRegression(C=STRENGTH, max_iter=1000).fit(values, target)
    pooled = torch.from_numpy(values).float()
    parameters = {
        "output.weight": torch.randn(1, 5, 3).requires_grad_(),
        "output.bias": torch.randn(1, 1, 3).requires_grad_(),
    }
    labels = torch.from_numpy(target)
    fit_last_layer(
        parameters, pooled, lambda outputs: torch.nn.functional.cross_entropy(outputs, labels)
    )
    outputs = pooled @ parameters["output.weight"][0] + parameters["output.bias"][0]
    found = outputs.softmax(dim=-1).detach().numpy()
    np.testing.assert_allclose(found, expected.predict_proba(values), atol=1e-3)
    assert parameters["output.weight"].grad is None
