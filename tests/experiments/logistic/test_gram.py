import numpy as np
import pytest

from tokser.experiments.logistic.gram import Gram


def made(num_rows, num_features, num_vectors):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(num_rows, num_features)).astype(np.float32)
    return rows, rng.normal(size=(num_vectors, num_rows)).astype(np.float32)


@pytest.mark.parametrize("num_vectors", [1, 4, 7, 9])
@pytest.mark.parametrize("shape", [(30, 40), (90, 12)], ids=["whole", "in-two"])
def test_products_are_those_of_the_whole_matrix(shape, num_vectors):
    rows, vectors = made(*shape, num_vectors)
    wide = rows.astype(np.float64)
    found = Gram(rows).times(vectors)
    assert found.shape == vectors.shape
    np.testing.assert_allclose(found, vectors @ (wide @ wide.T), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("shape", [(30, 40), (90, 12)], ids=["whole", "in-two"])
def test_products_of_some_rows_are_those_of_all(shape):
    rows, vectors = made(*shape, 7)
    places = np.array([2, 3, 11, 29])
    gram = Gram(rows)
    some = gram.some(places)
    full = np.zeros_like(vectors)
    full[:, places] = vectors[:, places]
    np.testing.assert_allclose(
        some.times(vectors[:, places]), gram.times(full), rtol=1e-4, atol=1e-3
    )
    again = np.array([0, 0, 3, 1])
    among = rows[places[again]] @ rows[places[again]].T
    np.testing.assert_allclose(some.among(again), among, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_products_are_in_float64_for_any_number_of_rows(dtype):
    for num_rows in (1, 64, 65, 200):
        rows, _ = made(num_rows, 30, 1)
        vectors = np.random.default_rng(1).normal(size=(3, num_rows))
        wide, gram = rows.astype(np.float64), Gram(rows.astype(dtype))
        weights = gram.combined(vectors)
        np.testing.assert_allclose(weights, vectors @ wide, atol=1e-12)
        np.testing.assert_allclose(gram.projected(weights), weights @ wide.T, atol=1e-11)
