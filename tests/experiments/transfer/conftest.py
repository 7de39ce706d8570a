"""Small stores of several corpora, with the same features, pooled."""

import numpy as np
import pytest

from tokser.config import PoolSettings
from tokser.stages.pool import pool
from tokser.store import open_store


@pytest.fixture(scope="session")
def write_corpus(store_factory):
    """Writes a pooled store of a corpus whose rows say a little of the label."""

    def write(
        folder,
        dataset,
        *,
        seed=0,
        labels=("anger", "neutral", "sadness", "boredom"),
        num_utterances=48,
        num_speakers=4,
        change=lambda table: table,
        **provenance,
    ):
        factory = store_factory(folder)
        table = factory.manifest(num_utterances)
        table["label"] = [labels[i % len(labels)] for i in range(len(table))]
        table["speaker"] = [f"s{(i // len(labels)) % num_speakers}" for i in range(len(table))]
        table = change(table)
        plan = factory.plan(table, features={"layer-1": 3, "layer-2": 4}, **provenance)
        kinds = sorted(set(labels))

        def rows(plan, feature, position):
            rng = np.random.default_rng([seed, position, *feature.encode()])
            shape = (int(plan.lengths[position]), plan.features[feature].dim)
            own = rng.normal(size=shape)
            own[:, 0] += kinds.index(labels[position % len(labels)]) * (feature == "layer-2")
            return own.astype(plan.features[feature].dtype)

        factory.rows = rows
        opened = factory.complete(table, plan, name=f"{dataset}.zarr", dataset=dataset)
        pool(PoolSettings(store=opened.path))
        return open_store(opened.path)

    return write


@pytest.fixture(scope="session")
def pair(tmp_path_factory, write_corpus):
    """Two corpora: the second calls its classes otherwise, and has one that the first lacks."""
    folder = tmp_path_factory.mktemp("pair")
    return (
        write_corpus(folder, "berlin"),
        write_corpus(folder, "warsaw", seed=1, labels=("ang", "neu", "sad", "fear")),
    )
