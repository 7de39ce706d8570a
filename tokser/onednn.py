"""oneDNN's linear map, as torch brings it along: the one private name of torch that is used."""

from typing import Any

import torch

__all__ = ["LINEAR"]


def _find() -> Any:
    """Return what `torch.compile` calls for a linear layer on a CPU; None: it is not there.

    Nothing public reaches oneDNN in float32 from every thread. It has no gradient.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # of torch
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


LINEAR = _find()
"""Called as `LINEAR(left, right, bias, "none", [], "")`: left @ right.T, plus a bias or None."""
