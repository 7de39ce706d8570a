"""Writing a checkpoint whole or not at all, and the sizes that all tiny ones share."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from tokser.encoders.checkpoint import quiet_transformers
from tokser.errors import InputError
from tokser.provenance import Stamp

__all__ = ["DIM", "FFN_DIM", "HEADS", "INIT_STD", "building"]

DIM = 64
HEADS = 2
FFN_DIM = 128
# 1/sqrt(64) keeps the variance from layer to layer; with the usual 0.02, so narrow a model gives
# nearly the same activations whatever it is given.
INIT_STD = 0.125


@contextlib.contextmanager
def building(folder: Path, stamp: Stamp, seed: int) -> Iterator[Path]:
    """Yield an empty folder that becomes `folder` at the end of the block.

    Random weights within the block depend on the seed only, and the caller's generator is not
    changed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            folder,
            expected=f"an empty folder, or the checkpoint of {stamp.content['settings']}",
            got="other files",
            remedy="Name another folder, or remove this one.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        partial = Path(scratch) / folder.name
        with torch.random.fork_rng(devices=[]), quiet_transformers():
            torch.default_generator.manual_seed(seed)
            yield partial
        stamp.write(partial)
        partial.replace(folder)
