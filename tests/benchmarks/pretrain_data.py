"""A store with speech and text as LibriSpeech's would be, of random numbers."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from store_data import librispeech_like

from tokser.store import FeatureSpec, GroupPlan, StoreWriter

SPEECH_DIM, TEXT_DIM, VOCABULARY = 512, 768, 30_522
TOKENS_PER_S = 2.9
"""Word pieces of BERT a second, [CLS] and [SEP] apart: 2.7 words of 1.07 pieces."""
SPEECH, TEXT = "whisper-base/layer-6", "bert-base-uncased/contextual"


def write_pretraining_store(path: Path, num_utterances: int, *, num_dev: int = 64) -> None:
    """Write a store of Whisper-base's and BERT-base's widths and LibriSpeech's lengths.

    Args:
        path: Of the store.
        num_utterances: All together.
        num_dev: Those of them that are dev.
    """
    corpus = librispeech_like(num_utterances, most_rows=400_000)
    rng = np.random.default_rng(2)
    seconds = corpus.lengths / 50
    num_tokens = 2 + (seconds * rng.normal(TOKENS_PER_S, 0.45, num_utterances)).clip(1).astype(int)
    text = pd.DataFrame(
        {
            "id": corpus.names,
            "speaker": [name.split("-")[0] for name in corpus.names],
            "transcript": [f"sentence {i}" for i in range(num_utterances)],
            "split": ["dev-clean"] * num_dev + ["train-clean-360"] * (num_utterances - num_dev),
        }
    ).to_csv(index=False, lineterminator="\n")
    digest = hashlib.sha256(text.encode()).hexdigest()
    half = FeatureSpec(dim=SPEECH_DIM, dtype="float16")
    wide = FeatureSpec(dim=TEXT_DIM, dtype="float16")
    with StoreWriter(
        path, dataset="librispeech", manifest_text=text, manifest_digest=digest
    ) as writer:
        speech = writer.plan_group(
            _plan("whisper-base", "speech", {"layer-6": half}, corpus.lengths)
        )
        for shard in speech.pending():
            span = range(*speech.layout.shard_utterances(shard))
            speech.commit(shard, {"layer-6": [corpus.rows(i) for i in span]}, {})
        specs = {"contextual": wide, "token_ids": FeatureSpec(dim=None, dtype="int32")}
        teacher = writer.plan_group(_plan("bert-base-uncased", "text", specs, num_tokens))
        for shard in teacher.pending():
            span = range(*teacher.layout.shard_utterances(shard))
            contextual = [
                rng.standard_normal((num_tokens[i], TEXT_DIM), dtype=np.float32) for i in span
            ]
            ids = [_token_ids(rng, num_tokens[i]) for i in span]
            teacher.commit(shard, {"contextual": contextual, "token_ids": ids}, {})
        table = rng.normal(0, 0.05, (VOCABULARY, TEXT_DIM)).astype(np.float16)
        keys = np.arange(VOCABULARY, dtype=np.int32)
        teacher.put_lookup("word", ids="token_ids", keys=keys, table=table)


def _plan(name: str, kind: str, features: dict, lengths: np.ndarray) -> GroupPlan:
    provenance = {"model": name}
    lengths = np.asarray(lengths, dtype=np.int64)
    return GroupPlan(
        name=name, kind=kind, features=features, lengths=lengths, provenance=provenance
    )


def _token_ids(rng: np.random.Generator, number: int) -> np.ndarray:
    """Draw words as often as language does: a few of them most of the time."""
    drawn = rng.zipf(1.3, number) % (VOCABULARY - 1_000) + 1_000
    drawn[0], drawn[-1] = 101, 102
    return drawn.astype(np.int32)
