from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.functionals.moments import mean_std
from tokser.store import RaggedBatch


@pytest.fixture(scope="session")
def emodb() -> pd.DataFrame:
    """The table of all 535 recordings, as a store of EmoDB has it."""
    path = Path(__file__).resolve().parents[2] / "data_manifests" / "emodb.csv"
    table = pd.read_csv(path, comment="#", dtype=str).set_index("id")
    assert len(table) == 535
    return table.assign(session="", transcript=table["sentence"])


@pytest.fixture(autouse=True)
def one_thread():
    """Small matrices: threads that wait for each other on busy cores cost seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class MadeLayer:
    """Frames in memory, with what a layer of a store has; an utterance has 1 to 5 of them."""

    def __init__(self, means: pd.DataFrame, name: str = "made/layer-1", seed: int = 0) -> None:
        self.name, self.dim, self.ids = name, means.shape[1], list(means.index)
        self.rows = {}
        for utterance, mean in means.iterrows():
            number = sum(map(ord, utterance))
            noise = np.random.default_rng([seed, number]).normal(size=(1 + number % 5, self.dim))
            own = mean.to_numpy() + 0.5 * (noise - noise.mean(axis=0))
            self.rows[utterance] = own.astype(np.float32)

    @property
    def lengths(self):
        return pd.Series({name: len(rows) for name, rows in self.rows.items()})

    def __getitem__(self, utterance):
        return self.rows[utterance]

    def ragged(self, utterances, allocate=np.empty):
        rows = [self.rows[name] for name in utterances]
        return RaggedBatch(np.concatenate(rows), np.array([len(own) for own in rows]))

    def functionals(self):
        pooled = [mean_std(rows) for rows in self.rows.values()]
        return pd.DataFrame(np.stack(pooled), index=pd.Index(self.ids, name="id"))


@pytest.fixture(scope="session")
def made_layer():
    """Makes a layer of frames around given means."""
    return MadeLayer
