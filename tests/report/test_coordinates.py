"""Places of utterances on a map."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tokser.errors import InputError, MissingPackageError
from tokser.report.coordinates import find_coordinates


@pytest.fixture
def functionals():
    """Two directions of large variance among twelve, and a column that never changes."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 12)) @ rng.normal(size=(12, 12))
    values[:, 7] = 3.25
    return values.astype(np.float32)


def test_pca_agrees_with_singular_values(functionals):
    found = find_coordinates(functionals, "pca")
    varying = np.delete(functionals.astype(np.float64), 7, axis=1)
    scaled = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    expected = left[:, :2] * sizes[:2]
    signs = np.sign((expected * found.values).sum(axis=0))
    np.testing.assert_allclose(found.values * signs, expected, atol=1e-4)
    shares = 100 * sizes**2 / (sizes**2).sum()
    assert f"principal component 1, {shares[0]:.1f} %" in found.across
    assert f"principal component 2, {shares[1]:.1f} %" in found.up


def test_the_same_functionals_have_the_same_places(functionals):
    first, again = (find_coordinates(functionals, "pca").values for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_few_columns_have_places(width):
    values = np.random.default_rng(0).normal(size=(9, width)).astype(np.float32)
    found = find_coordinates(values, "pca").values
    assert found.shape == (9, 2)
    assert (np.ptp(found[:, 1]) > 0) == (width > 1)


@pytest.mark.parametrize("values", [np.ones((5, 3)), np.eye(2)])
def test_too_little_for_a_map_is_refused(values):
    with pytest.raises(InputError, match="at least 3 utterances that differ"):
        find_coordinates(values.astype(np.float32), "pca")


def test_umap_is_seeded_and_has_no_more_neighbours_than_others(functionals, monkeypatch):
    asked = {}

    class UMAP:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, values):
            return values[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    found = find_coordinates(functionals[:10], "umap")
    assert found.values.shape == (10, 2)
    assert asked["n_neighbors"] == 9 and asked["random_state"] == 0 and asked["n_jobs"] == 1
    assert "mean nothing" in found.note


def test_a_missing_umap_is_named(functionals, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'tokser\[map\]'"):
        find_coordinates(functionals, "umap")
