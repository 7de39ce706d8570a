"""Where utterances lie on a map: their functionals in two dimensions."""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

from tokser.errors import InputError, MissingPackageError
from tokser.functionals.standardise import Standardiser

__all__ = ["LEAST_UTTERANCES", "Coordinates", "Method", "find_coordinates"]

Method = Literal["pca", "umap"]
LEAST_UTTERANCES = 3
"""Fewer have no map."""
_NEIGHBOURS = 15
"""Of each utterance in UMAP: the package's own default."""
_SEED = 0


@dataclass(frozen=True)
class Coordinates:
    """A place for each utterance.

    Attributes:
        values: Across and up, [utterances, 2].
        across: What the first coordinate is, in words.
        up: What the second one is.
        note: What a reader must know of distances on the map.
    """

    values: Float64[np.ndarray, "utterances 2"]
    across: str
    up: str
    note: str


def find_coordinates(
    functionals: Float32[np.ndarray, "utterances features"], method: Method
) -> Coordinates:
    """Standardise functionals over all utterances, and bring them to two dimensions.

    Args:
        functionals: Of at least three utterances, which are not all alike.
        method: `pca`: the two directions of largest variance; `umap`: neighbours stay neighbours.

    Raises:
        InputError: There are too few utterances, or nothing in them varies.
        MissingPackageError: `umap-learn` is needed and not installed.
    """
    scaling = Standardiser.fit(functionals)
    varying = ~scaling.is_constant
    if len(functionals) < LEAST_UTTERANCES or not varying.any():
        raise InputError(
            "--map",
            expected=f"functionals of at least {LEAST_UTTERANCES} utterances that differ",
            got=f"{len(functionals)} utterances, {int(varying.sum())} columns that vary",
            remedy="Leave --map out.",
        )
    scaled = scaling.apply(functionals)[:, varying]
    return _umap(scaled) if method == "umap" else _principal_components(scaled)


def _principal_components(scaled: NDArray[np.float32]) -> Coordinates:
    """Project on the two eigenvectors of the covariance that have the largest eigenvalues."""
    from sklearn.decomposition import PCA

    num = min(2, *scaled.shape)
    # All singular values of 5,531 x 1,024 take seconds, the two largest a tenth of one.
    solver = "arpack" if min(scaled.shape) > num else "full"
    analysis = PCA(n_components=num, svd_solver=solver, random_state=_SEED)
    values = np.zeros((len(scaled), 2))
    values[:, :num] = analysis.fit_transform(scaled.astype(np.float64))
    shares = [*analysis.explained_variance_ratio_, 0.0][:2]
    across, up = (
        f"principal component {number}, {100 * share:.1f} % of the variance"
        for number, share in enumerate(shares, start=1)
    )
    note = (
        "Principal components of the standardised functionals: what is near on the map may lie far "
        "apart in the directions that it does not show."
    )
    return Coordinates(values, across, up, note)


def _umap(scaled: NDArray[np.float32]) -> Coordinates:
    umap = _import_umap()
    neighbours = min(_NEIGHBOURS, len(scaled) - 1)
    # Its first steps are spectral, which needs more utterances than dimensions by a few.
    start = "spectral" if len(scaled) > _NEIGHBOURS else "random"
    found = umap.UMAP(
        n_components=2, n_neighbors=neighbours, init=start, random_state=_SEED, n_jobs=1
    ).fit_transform(scaled)
    note = (
        f"UMAP ({neighbours} neighbours) of the standardised functionals: neighbours stay "
        "together; distances between groups and the sizes of groups mean nothing."
    )
    return Coordinates(np.asarray(found, dtype=np.float64), "UMAP 1", "UMAP 2", note)


def _import_umap() -> Any:
    try:
        with warnings.catch_warnings():
            # Its parametric variant, which is not used here, misses TensorFlow.
            warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
            import umap
    except ImportError as error:
        raise MissingPackageError(
            "--map-method umap",
            expected="the package umap-learn",
            got="none installed",
            remedy="Install it: pip install 'tokser[map]'. Or take --map-method pca.",
        ) from error
    return umap
