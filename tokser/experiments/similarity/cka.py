"""Linear CKA of many features at once, from the unbiased HSIC of minibatches."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from tokser.errors import InputError
from tokser.intervals import jackknife

__all__ = ["SMALLEST_BATCH", "Batch", "Similarity", "cka_of", "unbiased_hsic"]

SMALLEST_BATCH = 4
"""Samples that the unbiased estimate needs."""


class Batch(NamedTuple):
    """Some samples of every feature.

    Attributes:
        features: The same samples of each.
        units: Number of the unit (speaker, utterance) of each sample; None: no intervals.
    """

    features: list[Float[Tensor, "samples _"]]
    units: Int64[np.ndarray, " samples"] | None = None


class Similarity(NamedTuple):
    """Linear CKA of every two features, and the ends of its 95 % interval; NaN without."""

    cka: Float64[np.ndarray, "features features"]
    low: Float64[np.ndarray, "features features"]
    high: Float64[np.ndarray, "features features"]


def cka_of(batches: Iterable[Batch]) -> Similarity:
    """Return linear CKA of every two features, with intervals over units.

    HSIC is averaged over minibatches, which leaves it unbiased, and
    CKA(X, Y) = HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)). It is NaN where a feature does not vary.

    Intervals are those of the jackknife that leaves out all samples of a unit at once, on Fisher's
    z. A bootstrap would draw samples twice, which are as alike as samples can be: the unbiased
    estimate has no pair of a sample with itself, and would have them again.

    Args:
        batches: At least one.

    Raises:
        InputError: There are no batches.

    Source: Nguyen, Raghu, Kornblith 2021, equations 2 and 3; Song et al. 2012 for HSIC_1.
    """
    total, count = None, 0
    changes: dict[int, Tensor] = {}
    for features, units in batches:
        grams = torch.stack([_gram(own.double()) for own in features])
        found = _hsic(grams)
        total, count = found if total is None else total + found, count + 1
        if units is None:
            continue
        shared = _Left(grams)
        for unit in np.unique(units):
            left = shared.without(torch.from_numpy(units == unit))
            # A batch of which too little is left says nothing: it counts as it was.
            change = found * 0 if left is None else left - found
            changes[int(unit)] = changes.get(int(unit), 0) + change
    if total is None:
        raise InputError(
            "similarity",
            expected=f"at least {SMALLEST_BATCH} utterances with all features",
            got="fewer",
            remedy="Name fewer features, or extract what is missing.",
        )
    cka = _normalised(total)
    without = [_normalised(total + change) for change in changes.values()]
    return Similarity(cka, *_ends(cka, without))


def _ends(
    cka: Float64[np.ndarray, "features features"], without: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of intervals, from CKA without each unit."""
    low, high = np.full(cka.shape, np.nan), np.full(cka.shape, np.nan)
    around = np.stack(without) if without else np.empty((0, *cka.shape))
    for place in np.ndindex(*cka.shape):
        own = around[:, place[0], place[1]]
        if np.isfinite(cka[place]) and np.isfinite(own).all():
            found = jackknife(
                float(cka[place]), own, scale="correlation", num_observations=len(own)
            )
            low[place], high[place] = found.low, found.high
    return low, high


def _normalised(total: Float[Tensor, "features features"]) -> Float64[np.ndarray, "_ _"]:
    """Return CKA of HSIC."""
    own = total.diagonal().clamp(min=0)
    scale = (own[:, None] * own[None, :]).sqrt()
    nothing = torch.full_like(total, torch.nan)
    cka: np.ndarray = torch.where(scale > 0, total / scale, nothing).numpy()
    return cka


def unbiased_hsic(
    features: list[Float[Tensor, "samples _"]],
) -> Float[Tensor, "features features"]:
    """Return HSIC_1 of every two features with linear kernels.

    With K = X X^T and L = Y Y^T, their diagonals set to 0, and n samples:
    (tr(K L) + 1'K1 1'L1 / ((n-1)(n-2)) - 2 1'KL1 / (n-2)) / (n (n-3)).

    Args:
        features: The same samples of each; columns are centred first, which changes nothing but
            rounding.
    """
    return _hsic(torch.stack([_gram(own) for own in features]))


def _hsic(grams: Float[Tensor, "features samples samples"]) -> Float[Tensor, "features features"]:
    """Return HSIC_1 of Gram matrices whose diagonals are 0."""
    num = grams.shape[1]
    sums = grams.sum(dim=(1, 2))
    rows = grams.sum(dim=2)
    flat = grams.flatten(1)
    return _from_sums(flat @ flat.T, sums, rows, num)


def _from_sums(products: Tensor, sums: Tensor, rows: Tensor, num: int) -> Tensor:
    """Return HSIC_1 of tr(K L), 1'K1 and K1 of Gram matrices of so many samples."""
    between = torch.outer(sums, sums) / ((num - 1) * (num - 2))
    within = 2 / (num - 2) * (rows @ rows.T)
    return (products + between - within) / (num * (num - 3))


class _Left:
    """HSIC_1 of what is left of a minibatch without some samples, from sums that it shares.

    tr(K L) without samples g is tr(K L) - 2 sum_{i in g, j} K_ij L_ij + sum_{i, j in g} K_ij L_ij.
    """

    def __init__(self, grams: Float[Tensor, "features samples samples"]) -> None:
        self._grams, self._rows = grams, grams.sum(dim=2)
        by_sample = grams.permute(1, 0, 2)
        self._products = by_sample @ by_sample.transpose(1, 2)
        self._total = self._products.sum(dim=0)

    def without(
        self, is_out: Bool[Tensor, " samples"]
    ) -> Float[Tensor, "features features"] | None:
        """Return HSIC_1; None where too few samples are left."""
        num = len(is_out) - int(is_out.sum())
        if num < SMALLEST_BATCH:
            return None
        inside = self._grams[:, is_out]
        block = inside[:, :, is_out].flatten(1)
        products = self._total - 2 * self._products[is_out].sum(dim=0) + block @ block.T
        rows = (self._rows - inside.sum(dim=1))[:, ~is_out]
        return _from_sums(products, rows.sum(dim=1), rows, num)


def _gram(samples: Float[Tensor, "samples _"]) -> Float[Tensor, "samples samples"]:
    centred = samples - samples.mean(dim=0)
    gram = centred @ centred.T
    gram.fill_diagonal_(0)
    return gram
