import logging
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tokser.experiments import logistic_regression
from tokser.experiments.heads.logistic_fit import fit_labels
from tokser.experiments.logistic_regression import LogisticRows


def made(num=60, dim=20, num_classes=3, seed=0):
    """Classes of unequal size; a column is constant, and two rows are the same."""
    rng = np.random.default_rng(seed)
    number = np.minimum(rng.integers(0, num_classes + 2, num), num_classes - 1)
    number[:num_classes] = np.arange(num_classes)
    values = rng.normal(size=(num, dim)) + 1.5 * rng.normal(size=(num_classes, dim))[number] / 3
    values[:, 1], values[5] = 4.0, values[4]
    return values.astype(np.float32), np.array([f"c{n}" for n in number], dtype=object)


def reference(values, labels, **options):
    """Newton's method with the exact Hessian, to where rounding ends it."""
    model = LogisticRegression(solver="newton-cholesky", tol=1e-9, max_iter=200, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(values.astype(np.float64), labels)


@pytest.mark.parametrize("weight", [None, "balanced"])
@pytest.mark.parametrize("num_classes", [2, 3, 7])
@pytest.mark.parametrize("shape", [(40, 60), (40, 40), (90, 12)], ids=["wide", "square", "tall"])
def test_probabilities_are_those_of_scikit_learn(shape, num_classes, weight):
    values, labels = made(*shape, num_classes)
    others = np.random.default_rng(1).normal(size=(50, shape[1])).astype(np.float32)
    for penalty in (1e-3, 1.0, 100.0):
        expected = reference(values, labels, C=penalty, class_weight=weight)
        found = fit_labels(values, labels, penalty=penalty, is_balanced=weight is not None)
        assert found.classes_.tolist() == expected.classes_.tolist()
        assert found.coef_.shape == expected.coef_.shape
        assert found.intercept_.shape == expected.intercept_.shape
        for rows in (values, others):
            np.testing.assert_allclose(
                found.predict_proba(rows),
                expected.predict_proba(rows.astype(np.float64)),
                atol=1e-4,
            )


def test_values_far_from_zero_and_large_do():
    values, labels = made()
    values = 1_000 + 50 * values
    others = 1_000 + 50 * np.random.default_rng(1).normal(size=(50, 20))
    expected = reference((values - 1_000) / 50, labels)
    found = fit_labels(values.astype(np.float64), labels, penalty=1 / 2_500)
    np.testing.assert_allclose(
        found.predict_proba(others), expected.predict_proba((others - 1_000) / 50), atol=1e-4
    )


@pytest.mark.parametrize("shape", [(2, 5), (2, 1), (400, 1), (3, 300)])
def test_few_rows_and_few_columns_do(shape):
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape)
    labels = np.arange(shape[0]) % 2
    expected = reference(values, labels)
    found = fit_labels(values, labels)
    np.testing.assert_allclose(
        found.predict_proba(values), expected.predict_proba(values), atol=1e-5
    )


def test_columns_that_say_nothing_leave_the_frequencies():
    labels = np.array(list("aaab"))
    found = fit_labels(np.zeros((4, 3), np.float32), labels)
    np.testing.assert_allclose(found.predict_proba(np.ones((1, 3))), [[0.75, 0.25]], atol=1e-5)
    assert not found.coef_.any()


def test_a_row_of_no_importance_is_as_if_it_were_not_there():
    values, labels = made()
    numbers = np.unique(labels, return_inverse=True)[1]
    kept = np.arange(60) % 5 != 4
    found = LogisticRows(values).fit(numbers, 3, penalty=1.0, importance=kept.astype(float))
    expected = LogisticRows(values[kept]).fit(numbers[kept], 3, penalty=1.0)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-4)


def test_one_class_alone_has_no_coefficients():
    found = LogisticRows(made()[0]).fit(np.zeros(60, dtype=np.int64), 1, penalty=1.0)
    assert not found.weights.any()


@pytest.mark.parametrize("shape", [(60, 200), (300, 20)], ids=["wide", "tall"])
def test_rows_that_a_plane_separates_do(shape):
    values, labels = made(*shape)
    values[:, 2] = 8 * (labels == "c2") + values[:, 2]
    values[:, 3] = 8 * (labels == "c1") + values[:, 3]
    others = np.random.default_rng(1).normal(size=(50, shape[1]))
    for penalty in (1.0, 1_000.0):
        found = fit_labels(values.astype(np.float64), labels, penalty=penalty)
        assert (found.predict(values) == labels).all()
        expected = reference(values, labels, C=penalty)
        np.testing.assert_allclose(
            found.predict_proba(others), expected.predict_proba(others), atol=1e-4
        )


def test_a_small_penalty_on_large_rows_is_fitted_in_float64():
    """Rounding of float32 hides it: probabilities would be 0.1 off."""
    rng = np.random.default_rng(3)
    number = np.append(np.arange(2), rng.integers(0, 2, 282))
    values = 10 * (rng.normal(size=(284, 5)) + 0.3 * rng.normal(size=(2, 5))[number])
    labels = np.where(rng.random(284) < 0.1, 1 - number, number)
    expected = reference(values, labels, C=1_000.0)
    found = fit_labels(values, labels, penalty=1_000.0)
    np.testing.assert_allclose(
        found.predict_proba(values), expected.predict_proba(values), atol=1e-5
    )


def test_products_without_the_whole_matrix_are_the_same(monkeypatch):
    values, labels = made(90, 60)
    numbers = np.unique(labels, return_inverse=True)[1]
    expected = LogisticRows(values).fit(numbers, 3, penalty=1.0)
    whole = logistic_regression.Gram.__init__

    def without(self, rows):
        whole(self, rows)
        self._whole = None

    monkeypatch.setattr(logistic_regression.Gram, "__init__", without)
    found = LogisticRows(values).fit(numbers, 3, penalty=1.0)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-5)


def test_shares_count_as_rows_of_each_class_do():
    values, labels = made()
    numbers = np.unique(labels, return_inverse=True)[1]
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 60).T
    shares[numbers, np.arange(60)] += 1
    found = LogisticRows(values).fit_shares(shares, penalty=1.0)
    expected = LogisticRows(np.repeat(values, 3, axis=0)).fit(
        np.tile(np.arange(3), 60), 3, penalty=1.0, importance=shares.T.ravel()
    )
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-4)


def test_faulty_input_is_refused():
    values, labels = made()
    with pytest.raises(ValueError, match="two classes or more are needed"):
        fit_labels(values, ["a"] * 60)
    values[3, 3] = np.nan
    with pytest.raises(ValueError, match="finite values are needed"):
        fit_labels(values, labels)


def test_a_solver_that_runs_out_of_steps_says_so(monkeypatch, caplog):
    monkeypatch.setattr(logistic_regression, "_MOST_STEPS", 2)
    values, labels = made()
    with caplog.at_level(logging.WARNING, "tokser"):
        fit_labels(values, labels)
    assert "a step still changes logits by" in caplog.text
