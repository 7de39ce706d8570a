"""Forward passes over chosen utterances: read, batch, encode; broken recordings set aside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.manifest import Manifest
from tokser.corpora.waveform import (
    SAMPLING_RATE_HZ,
    Fingerprint,
    fingerprint,
    read_waveform,
    resampled_length,
)
from tokser.encoders.base import Activations, SpeechEncoder, TextEncoder
from tokser.encoders.rows import Rows
from tokser.errors import AudioError

__all__ = ["Encoded", "encode_speech", "encode_text"]

SEQUENCES_PER_PASS = 64
"""Transcripts of near-equal length that share a forward pass."""


@dataclass
class Encoded:
    """By position: activations, why an utterance has none, and what its recording was."""

    activations: dict[int, Activations] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    fingerprints: dict[int, Fingerprint] = field(default_factory=dict)


def encode_speech(
    encoder: SpeechEncoder,
    manifest: Manifest,
    positions: Sequence[int],
    layers: Sequence[int],
    *,
    batch_seconds: float,
    on_utterances: Callable[[int], None],
) -> Encoded:
    """Encode the recordings at `positions` of the manifest, longest first.

    Args:
        encoder: Runs in passes of its own choice, see `SpeechEncoder.batches`.
        manifest: Where the recordings lie.
        positions: Rows of the manifest; all are known to have frames.
        layers: Layers to keep.
        batch_seconds: Audio of one pass at most, padding included, in seconds.
        on_utterances: Called with the number of utterances done since the last call.
    """
    samples = {
        position: resampled_length(int(num_samples), int(rate))
        for position, num_samples, rate in zip(
            positions,
            manifest.table["num_samples"].iloc[list(positions)],
            manifest.table["sampling_rate_hz"].iloc[list(positions)],
            strict=True,
        )
    }
    ordered = sorted(positions, key=lambda position: -samples[position])
    encoded = Encoded()
    for batch in encoder.batches([samples[position] for position in ordered], batch_seconds):
        readable: list[int] = []
        waveforms: list[NDArray[np.float32]] = []
        for position in (ordered[i] for i in batch):
            path = manifest.root / str(manifest.table["path"].iloc[position])
            try:
                encoded.fingerprints[position] = fingerprint(path)
                waveforms.append(_read(path, samples[position]))
                readable.append(position)
            except AudioError as error:
                encoded.reasons[position] = str(error)
        if readable:
            results = encoder.encode(waveforms, layers)
            encoded.activations.update(zip(readable, results, strict=True))
        on_utterances(len(batch))
    return encoded


def encode_text(
    encoder: TextEncoder,
    rows: Rows,
    positions: Sequence[int],
    layers: Sequence[int],
    *,
    on_utterances: Callable[[int], None],
) -> Encoded:
    """Encode the tokens of the utterances at `positions`, near-equal lengths together."""
    ordered = sorted(positions, key=lambda position: len(rows.token_ids[position]))
    encoded = Encoded()
    for first in range(0, len(ordered), SEQUENCES_PER_PASS):
        batch = ordered[first : first + SEQUENCES_PER_PASS]
        results = encoder.encode([rows.token_ids[position] for position in batch], layers)
        encoded.activations.update(zip(batch, results, strict=True))
        on_utterances(len(batch))
    return encoded


def _read(path: Path, samples: int) -> NDArray[np.float32]:
    waveform = read_waveform(path)
    if len(waveform) != samples:
        raise AudioError(
            path,
            expected=f"{samples} samples at {SAMPLING_RATE_HZ} Hz as in the manifest",
            got=str(len(waveform)),
            remedy="The recording changed since the corpus was scanned: scan it again.",
        )
    return waveform
