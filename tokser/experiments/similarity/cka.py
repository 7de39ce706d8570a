"""Linear CKA of many features at once, from the unbiased HSIC of minibatches."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from tokser.errors import InputError

__all__ = ["SMALLEST_BATCH", "cka_of", "unbiased_hsic"]

SMALLEST_BATCH = 4
"""Samples that the unbiased estimate needs."""


def cka_of(
    batches: Iterable[list[Float[Tensor, "samples _"]]],
) -> Float64[np.ndarray, "features features"]:
    """Return linear CKA of every two features.

    HSIC is averaged over minibatches, which leaves it unbiased, and
    CKA(X, Y) = HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)). It is NaN where a feature does not vary.

    Args:
        batches: The same samples of each feature, in every batch.

    Raises:
        InputError: There are no batches.

    Source: Nguyen, Raghu, Kornblith 2021, equations 2 and 3; Song et al. 2012 for HSIC_1.
    """
    total, count = None, 0
    for features in batches:
        found = unbiased_hsic([own.double() for own in features])
        total, count = found if total is None else total + found, count + 1
    if total is None:
        raise InputError(
            "similarity",
            expected=f"at least {SMALLEST_BATCH} utterances with all features",
            got="fewer",
            remedy="Name fewer features, or extract what is missing.",
        )
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
    num = len(features[0])
    grams = torch.stack([_gram(own) for own in features])
    sums = grams.sum(dim=(1, 2))
    rows = grams.sum(dim=2)
    flat = grams.flatten(1)
    products = flat @ flat.T
    between = torch.outer(sums, sums) / ((num - 1) * (num - 2))
    within = 2 / (num - 2) * (rows @ rows.T)
    return (products + between - within) / (num * (num - 3))


def _gram(samples: Float[Tensor, "samples _"]) -> Float[Tensor, "samples samples"]:
    centred = samples - samples.mean(dim=0)
    gram = centred @ centred.T
    gram.fill_diagonal_(0)
    return gram
