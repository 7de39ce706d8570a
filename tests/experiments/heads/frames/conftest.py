import numpy as np
import pandas as pd
import pytest

from tokser.config import FrameHeadSettings, GridSettings
from tokser.experiments.classification import Classification
from tokser.experiments.frames import TermFrames
from tokser.experiments.splits.protocols import make_splits
from tokser.experiments.training_data import TrainingData

CLASSES = ("anger", "neutral", "sadness")
GRID = GridSettings(batch_sizes=(8,), learning_rates=(1e-2, 3e-3), epochs=2, plateau_patience=1)


@pytest.fixture(scope="session")
def make_data(made_layer):
    """Makes data of 24 utterances and four speakers: terms of a number of layers each."""

    def make(layers=(1,), *, are_means=False, grid=GRID, dim=6, seed=3, **options):
        rng = np.random.default_rng(1)
        ids = pd.Index([f"utt{i:02d}" for i in range(24)], name="id")
        label = pd.Series([CLASSES[i % 3] for i in range(24)], index=ids)
        terms = []
        for number, count in enumerate(layers):
            made = []
            for layer in range(count):
                centres = rng.normal(size=(3, dim + number))
                means = centres[np.arange(24) % 3] + rng.normal(size=(24, dim + number))
                table = pd.DataFrame(means, index=ids)
                made.append(made_layer(table, f"made-{number}/layer-{layer}", seed=layer))
            terms.append(TermFrames(tuple(made), are_means=are_means))
        about = pd.DataFrame(
            {"label": label, "speaker": [f"s{i % 4}" for i in range(24)], "session": ""}
        )
        splits = make_splits("speaker", about, seed=0)
        return TrainingData(
            Classification(),
            pd.DataFrame(index=ids),
            label,
            splits,
            grid,
            seed,
            frames=tuple(terms),
            frame_heads=FrameHeadSettings(**options),
        )

    return make
