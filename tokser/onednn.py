"""oneDNN's linear map, as torch brings it along: the one private name of torch that is used."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["LINEAR", "few_kernels_kept"]

_CAPACITIES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
_KEPT = "64"
"""Kernels that are kept: more than a forward pass has shapes."""


def _find() -> Any:
    """Return what `torch.compile` calls for a linear layer on a CPU; None: it is not there.

    Nothing public reaches oneDNN in float32 from every thread. It has no gradient.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # of torch
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


@contextmanager
def few_kernels_kept() -> Iterator[None]:
    """Let oneDNN keep few kernels, if it runs for the first time within the block.

    It compiles one for each shape, of half a megabyte, and by itself keeps 1,024 of them on each
    thread: with ever new numbers of frames, memory would follow the corpus for long. What the user
    has set stays.
    """
    own = [name for name in _CAPACITIES if name not in os.environ]
    os.environ.update(dict.fromkeys(own, _KEPT))
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


LINEAR = _find()
"""Called as `LINEAR(left, right, bias, "none", [], "")`: left @ right.T, plus a bias or None."""
