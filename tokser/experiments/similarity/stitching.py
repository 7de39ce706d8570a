"""Ridge stitching: how much of one feature a linear map finds in another, for unseen speakers."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

__all__ = ["STRENGTHS", "stitching_r2"]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Ridge penalties, as a share of the number of training samples."""

Samples = Float[Tensor, "samples _"]


def stitching_r2(
    features: Sequence[Samples], part: Int64[np.ndarray, " samples"]
) -> Float64[np.ndarray, "sources targets"]:
    """Return R^2 of each feature predicted from each other one.

    Columns are standardised over the training samples. R^2 is 1 - squared error / squared deviation
    from the training mean, summed over the columns of the target; below 0 the mean predicts better.

    Args:
        features: The same samples of each.
        part: 0: trained on; 1: selects the penalty of a pair; 2: scored.
    """
    train, dev, test = (torch.from_numpy(part == number) for number in range(3))
    scaled = [_standardised(own.double(), train) for own in features]
    rows = [_from_source(source, scaled, train, dev, test) for source in scaled]
    return np.stack(rows)


def _from_source(
    source: Samples, targets: Sequence[Samples], train: Tensor, dev: Tensor, test: Tensor
) -> Float64[np.ndarray, " targets"]:
    """Solve all penalties and all targets of one source by one eigendecomposition."""
    known = source[train]
    values, vectors = torch.linalg.eigh(known.T @ known)
    values = values.clamp(min=0)
    on_dev, on_test = source[dev] @ vectors, source[test] @ vectors
    found = []
    for target in targets:
        projected = vectors.T @ (known.T @ target[train])
        errors = [
            _squares(on_dev @ (projected / (values + share * len(known))[:, None]) - target[dev])
            for share in STRENGTHS
        ]
        best = STRENGTHS[int(np.argmin(errors))]
        left = on_test @ (projected / (values + best * len(known))[:, None]) - target[test]
        whole = _squares(target[test])
        found.append(1 - _squares(left) / whole if whole > 0 else np.nan)
    return np.array(found)


def _standardised(samples: Samples, train: Tensor) -> Samples:
    known = samples[train]
    scale = known.std(dim=0, correction=0)
    inverse = torch.where(scale > 1e-9, 1 / scale, torch.zeros_like(scale))
    return (samples - known.mean(dim=0)) * inverse


def _squares(values: Tensor) -> float:
    return float(values.square().sum())
