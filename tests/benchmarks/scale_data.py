"""A corpus of the size of MSP-Podcast or Common Voice: recordings, a table, a store, splits."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from tokser.store import FeatureSpec, GroupPlan, Recording, StoreWriter

DIM = 32
GROUP, LAYER = "whisper-base", "layer-6"
FEATURE = f"{GROUP}/{LAYER}"
LABELS = ("angry", "happy", "neutral", "sad")
RECORDINGS, A_FOLDER, A_SPEAKER = 1_000, 1_000, 500
"""Sound files that every path is a link to; utterances of a folder, and of a speaker."""
SHARD_BYTES = 2**20
COPIED = 2_000
"""Every so many utterances one is the recording of the one before."""
_SHARES = {"train": 0.6, "dev": 0.8, "test": 1.0}


def write_recordings(root: Path, number: int) -> None:
    """Write a path for every utterance, each a hard link to one of some short recordings."""
    rng = np.random.default_rng(0)
    sources = root / "sources"
    sources.mkdir(parents=True)
    for source in range(RECORDINGS):
        noise = rng.normal(0, 0.1, int(rng.integers(400, 1_600))).astype(np.float32)
        soundfile.write(sources / f"{source}.wav", noise, 16_000)
    for first in range(0, number, A_FOLDER):
        (root / f"{first // A_FOLDER:04d}").mkdir()
    for place in range(number):
        os.link(sources / f"{place % RECORDINGS}.wav", root / path_of(place))


def path_of(place: int) -> str:
    """Return the path of an utterance's recording."""
    return f"{place // A_FOLDER:04d}/{name_of(place)}.wav"


def name_of(place: int) -> str:
    """Return an utterance's id."""
    return f"utt{place:07d}"


def table(number: int) -> pd.DataFrame:
    """Return what a user knows of the utterances: a path, a speaker, a label, a transcript."""
    rng = np.random.default_rng(1)
    places = np.arange(number)
    words = np.array([f"word{n}" for n in range(5_000)], dtype=object)
    spoken = words[rng.integers(0, len(words), (number, 6))]
    return pd.DataFrame(
        {
            "path": [path_of(place) for place in range(number)],
            "speaker": [f"spk{n:05d}" for n in places // A_SPEAKER],
            "sex": np.where(places // A_SPEAKER % 2, "f", "m"),
            "label": np.array(LABELS, dtype=object)[rng.integers(0, len(LABELS), number)],
            "transcript": [" ".join(row) for row in spoken],
        }
    )


def write_store(path: Path, manifest: Path) -> None:
    """Write a store of two or three rows an utterance, shard by shard, as extraction does."""
    text = manifest.read_text()
    about = pd.read_csv(manifest, dtype=str, keep_default_na=False, usecols=["label", "speaker"])
    rng = np.random.default_rng(2)
    labels = pd.factorize(about["label"], sort=True)[0]
    speakers = pd.factorize(about["speaker"])[0]
    of_label = 0.15 * rng.normal(size=(labels.max() + 1, DIM))
    of_speaker = 0.3 * rng.normal(size=(speakers.max() + 1, DIM))
    plan = GroupPlan(
        name=GROUP,
        kind="speech",
        features={LAYER: FeatureSpec(dim=DIM, dtype="float16")},
        lengths=rng.integers(2, 4, len(about)),
        provenance={"model": "openai/whisper-base", "sampling_rate_hz": 16_000},
        shard_bytes=SHARD_BYTES,
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    with StoreWriter(path, dataset="large", manifest_text=text, manifest_digest=digest) as writer:
        group = writer.plan_group(plan)
    before: Any = None
    for shard in group.pending():
        rows, recordings = [], []
        for place in group.layout.utterances(shard).tolist():
            size = (int(plan.lengths[place]), DIM)
            own = of_label[labels[place]] + of_speaker[speakers[place]] + rng.normal(size=DIM)
            if place % COPIED == 1 and before is not None:
                own = before + 0.001 * rng.normal(size=DIM)
            before = own
            rows.append((own + rng.normal(size=size)).astype(np.float16))
            recordings.append(Recording(f"{place:016x}", 1_700_000_000_000_000_000))
        group.commit(shard, {LAYER: rows}, {}, recordings)


def write_splits(path: Path, number: int) -> None:
    """Write one fold by speakers: 60 % of them train, 20 % dev, 20 % test."""
    speakers = np.arange(number) // A_SPEAKER
    share = (speakers + 0.5) / (speakers[-1] + 1)
    names = np.array([name_of(place) for place in range(number)])
    fold: dict[str, Any] = {"fold": "1"}
    low = 0.0
    for part, high in _SHARES.items():
        fold[part] = names[(share >= low) & (share < high)].tolist()
        low = high
    path.write_text(json.dumps({"published": [fold]}))
