"""A store of EmoDB's size, cut at two seconds, with frames that tell classes apart a little."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from tokser.config import PoolSettings
from tokser.stages.pool import pool
from tokser.store import FeatureSpec, GroupPlan, StoreWriter

DIM, CLASSES, SPEAKERS = 512, 7, 10
GROUP = "whisper-base"


def write_heads_store(path: Path, num_utterances: int = 535, num_layers: int = 7) -> None:
    """Write and pool a store: three quarters of the utterances have 100 frames, the others fewer.

    Args:
        path: Of the store.
        num_utterances: Of ten speakers and seven emotions.
        num_layers: Layers 0, 1, ...
    """
    rng = np.random.default_rng(0)
    lengths = np.where(
        rng.random(num_utterances) < 0.76, 100, rng.integers(60, 100, num_utterances)
    )
    emotions = rng.integers(0, CLASSES, num_utterances)
    text = pd.DataFrame(
        {
            "id": [f"utt{i:06d}" for i in range(num_utterances)],
            "label": [f"emotion-{number}" for number in emotions],
            "speaker": [f"{i % SPEAKERS:02d}" for i in range(num_utterances)],
            "session": "",
        }
    ).to_csv(index=False, lineterminator="\n")
    features = {f"layer-{n}": FeatureSpec(dim=DIM, dtype="float16") for n in range(num_layers)}
    digest = hashlib.sha256(text.encode()).hexdigest()
    centres = 0.3 * rng.standard_normal((CLASSES, DIM), dtype=np.float32)
    with StoreWriter(path, dataset="emodb", manifest_text=text, manifest_digest=digest) as writer:
        plan = GroupPlan(
            name=GROUP,
            kind="speech",
            features=features,
            lengths=lengths.astype(np.int64),
            provenance={"model": "random numbers"},
        )
        group = writer.plan_group(plan)
        for shard in group.pending():
            span = range(*group.layout.shard_utterances(shard))
            rows = {
                name: [
                    (centres[emotions[i]] + rng.standard_normal((lengths[i], DIM), np.float32))
                    for i in span
                ]
                for name in features
            }
            group.commit(shard, rows, {})
    pool(PoolSettings(store=str(path)))
