"""Real EmoDB with copies of some recordings planted, each kind as it happens to corpora."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch
from numpy.typing import NDArray
from torchaudio.functional import resample

from tokser.corpora.manifest import Manifest, probe_recordings
from tokser.corpora.registry import scan_corpus

__all__ = ["KINDS", "PER_KIND", "SOURCE", "plant"]

PER_KIND = 28
"""Copies of each kind; each has a recording of its own, so that no two copies are related."""
SOURCE = "copy_of"
"""Column of the manifest: the recording that an utterance was made from; empty for the others."""
RATE_HZ = 16_000
Samples = NDArray[np.float32]


def _gain(samples: Samples, rng: np.random.Generator) -> Samples:
    return samples * np.float32(10 ** (rng.choice([-12, -6, -3]) / 20))


def _trim(samples: Samples, rng: np.random.Generator) -> Samples:
    """Cut 50 to 200 ms from both ends."""
    before, after = rng.integers(RATE_HZ // 20, RATE_HZ // 5, 2)
    return samples[before:-after]


def _noise(samples: Samples, rng: np.random.Generator) -> Samples:
    """Add white noise at 20 to 30 dB below the speech."""
    level = np.sqrt(np.square(samples).mean()) * 10 ** (-rng.uniform(20, 30) / 20)
    return samples + rng.normal(0, level, len(samples)).astype(np.float32)


def _speed(samples: Samples, rng: np.random.Generator) -> Samples:
    """Play 5 % slower or faster, as speed perturbation does."""
    new_rate = int(RATE_HZ * rng.choice([0.95, 1.05]))
    return _resampled(samples, RATE_HZ, new_rate)


def _stereo(samples: Samples, rng: np.random.Generator) -> Samples:
    return np.stack([samples, samples], axis=1)


def _same(samples: Samples, rng: np.random.Generator) -> Samples:
    return samples


def _other_rate(samples: Samples, rng: np.random.Generator) -> Samples:
    return _resampled(samples, RATE_HZ, 44_100)


KINDS: dict[str, tuple[Callable[[Samples, np.random.Generator], Samples], str, str, int]] = {
    "exact": (_same, "wav", "PCM_16", RATE_HZ),
    "gain": (_gain, "wav", "PCM_16", RATE_HZ),
    "trim": (_trim, "wav", "PCM_16", RATE_HZ),
    "noise": (_noise, "wav", "PCM_16", RATE_HZ),
    "speed": (_speed, "wav", "PCM_16", RATE_HZ),
    "mu-law": (_same, "wav", "ULAW", RATE_HZ),
    "stereo": (_stereo, "wav", "PCM_16", RATE_HZ),
    "container": (_same, "flac", "PCM_16", RATE_HZ),
    "sampling-rate": (_other_rate, "wav", "PCM_16", 44_100),
}
"""What is done to the samples, the suffix, the encoding and the rate of the copy's file."""


def plant(emodb: Path, folder: Path, *, per_kind: int = PER_KIND) -> Manifest:
    """Lay out EmoDB's recordings, and beside them copies of each kind under other names.

    Returns:
        The manifest: `copy_of` and `kind` tell the copies; a copy has the label and the speaker of
        its recording.
    """
    real = scan_corpus("emodb", emodb).table
    (folder / "wav").mkdir(parents=True, exist_ok=True)
    for path in real["path"]:
        target = folder / path
        if not target.exists():
            target.symlink_to((emodb / path).resolve())
    columns = ["path", "speaker", "sex", "session", "language", "transcript", "label"]
    kept = real.assign(split="")[[*columns, "split", "sentence"]].assign(**{SOURCE: "", "kind": ""})
    rng = np.random.default_rng(0)
    sources = rng.permutation(list(real.index))[: per_kind * len(KINDS)]
    copies = []
    for number, (kind, (change, suffix, encoding, rate_hz)) in enumerate(KINDS.items()):
        for source in sources[number * per_kind : (number + 1) * per_kind]:
            name = f"{source}-{kind}"
            target = folder / "wav" / f"{name}.{suffix}"
            original = emodb / str(real.loc[source, "path"])
            if kind == "exact":
                target.write_bytes(original.read_bytes())
            else:
                samples = soundfile.read(original, dtype="float32")[0]
                soundfile.write(target, change(samples, rng), rate_hz, subtype=encoding)
            row = kept.loc[source].to_dict()
            row |= {"path": f"wav/{target.name}", SOURCE: source, "kind": kind}
            copies.append({"id": name} | row)
    table = pd.concat([kept, pd.DataFrame(copies).set_index("id")])
    rows = table.rename_axis("id").reset_index().to_dict("records")
    return probe_recordings("emodb-planted", folder, rows)


def _resampled(samples: Samples, old: int, new: int) -> Samples:
    found: Samples = resample(torch.from_numpy(samples), old, new).numpy()
    return found
