"""How many rows every utterance will have, known before an encoder runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.manifest import Manifest
from tokser.corpora.waveform import probe, resampled_length
from tokser.encoders.base import SpeechEncoder, TextEncoder
from tokser.errors import AudioError

__all__ = ["Rows", "count_frames", "count_tokens"]


@dataclass(frozen=True)
class Rows:
    """Row counts of one encoder over one corpus.

    Attributes:
        lengths: Rows of each utterance, int64 [utterances]; 0 for those set aside.
        reasons: Why an utterance is set aside, by position.
        token_ids: Text encoders: ids of each utterance, empty for those set aside.
    """

    lengths: NDArray[np.int64]
    reasons: dict[int, str]
    token_ids: Sequence[NDArray[np.int32]] = ()


def count_frames(encoder: SpeechEncoder, manifest: Manifest) -> Rows:
    """Count frames from the audio headers that the manifest holds."""
    lengths = np.zeros(len(manifest.table), dtype=np.int64)
    reasons: dict[int, str] = {}
    faults = {fault.id: fault.reason for fault in manifest.faults}
    headers = zip(
        manifest.table.index,
        manifest.table["path"],
        manifest.table["num_samples"],
        manifest.table["sampling_rate_hz"],
        strict=True,
    )
    for position, (utterance, path, num_samples, rate) in enumerate(headers):
        if utterance in faults or num_samples == 0:
            reasons[position] = faults.get(utterance) or _why_unreadable(manifest, path)
            continue
        samples = resampled_length(int(num_samples), int(rate))
        if samples < encoder.min_samples:
            reasons[position] = (
                f"{samples} samples at 16 kHz, {encoder.name} needs {encoder.min_samples}"
            )
            continue
        lengths[position] = encoder.num_frames(samples)
    return Rows(lengths, reasons)


def count_tokens(encoder: TextEncoder, manifest: Manifest) -> Rows:
    """Tokenise every transcript and count."""
    transcripts = [str(text).strip() for text in manifest.table["transcript"]]
    token_ids = encoder.tokenize(transcripts)
    nothing = np.zeros(0, dtype=np.int32)
    reasons: dict[int, str] = {}
    for position, transcript in enumerate(transcripts):
        num_tokens = len(token_ids[position])
        if not transcript:
            reasons[position] = "empty transcript"
        elif num_tokens > encoder.max_tokens:
            reasons[position] = f"{num_tokens} tokens, {encoder.name} takes {encoder.max_tokens}"
    kept = [nothing if i in reasons else ids for i, ids in enumerate(token_ids)]
    lengths = np.array([len(ids) for ids in kept], dtype=np.int64)
    return Rows(lengths, reasons, kept)


def _why_unreadable(manifest: Manifest, path: str) -> str:
    try:
        probe(manifest.root / path)
    except AudioError as error:
        return str(error)
    return "the manifest says it has no samples, its file says otherwise: scan the corpus again"
