from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.pretrain.aligner import AlignerInput


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Tensors are tiny: threads would wait for each other, for long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Memory:
    """A feature that lies in memory."""

    name: str
    by_id: dict[str, np.ndarray]

    @property
    def dim(self) -> int:
        return next(iter(self.by_id.values())).shape[1]

    @property
    def ids(self) -> list[str]:
        return list(self.by_id)

    @property
    def lengths(self) -> pd.Series:
        return pd.Series({name: len(rows) for name, rows in self.by_id.items()}, dtype="int64")

    def ragged(self, utterances, allocate=np.empty):
        parts = [self.by_id[name] for name in utterances]
        rows = np.concatenate(parts)
        held = allocate(rows.shape, rows.dtype)
        held[...] = rows
        return Ragged(held, np.array([len(part) for part in parts]))


@dataclass
class Ragged:
    rows: np.ndarray
    lengths: np.ndarray


@pytest.fixture(scope="session")
def memory() -> type[Memory]:
    return Memory


def make_inputs(
    num_tokens: list[int], num_frames: list[int], text_dim=4, speech_dim=6, layers=1, seed=0
) -> AlignerInput:
    g = torch.Generator().manual_seed(seed)
    return AlignerInput(
        torch.randn(sum(num_tokens), text_dim, generator=g),
        torch.tensor(num_tokens),
        torch.randn(layers, sum(num_frames), speech_dim, generator=g),
        torch.tensor(num_frames),
    )


@pytest.fixture(scope="session")
def inputs():
    """Makes random queries and speech of utterances of given lengths."""
    return make_inputs
