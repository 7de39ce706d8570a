"""How many rows every utterance will have, known before an encoder runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.manifest import Manifest
from tokser.corpora.waveform import probe, resampled_length
from tokser.encoders.base import SpeechEncoder, TextEncoder
from tokser.encoders.layers import max_samples_of
from tokser.errors import AudioError, CheckpointError

__all__ = ["RowCounts", "count_frames", "count_tokens"]

_MOST_UNKNOWN = 0.5
"""Largest share of a corpus's tokens that may be unknown to a text encoder."""


@dataclass(frozen=True)
class RowCounts:
    """Row counts of one encoder over one corpus.

    Attributes:
        lengths: Rows of each utterance, int64 [utterances]; 0 for quarantined ones.
        quarantined: Why an utterance cannot be encoded, by position.
        token_ids: Text encoders: token ids of each utterance, empty for quarantined ones.
    """

    lengths: NDArray[np.int64]
    quarantined: dict[int, str]
    token_ids: Sequence[NDArray[np.int32]] = ()


def count_frames(encoder: SpeechEncoder, manifest: Manifest) -> RowCounts:
    """Count frames from the audio headers that the manifest holds."""
    lengths = np.zeros(len(manifest.table), dtype=np.int64)
    reasons: dict[int, str] = {}
    longest = max_samples_of(encoder)
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
        if longest is not None and samples > longest:
            reasons[position] = (
                f"{samples} samples at 16 kHz, {encoder.name} takes at most {longest}"
            )
            continue
        lengths[position] = encoder.num_frames(samples)
    return RowCounts(lengths, reasons)


def count_tokens(encoder: TextEncoder, manifest: Manifest) -> RowCounts:
    """Tokenise every transcript and count its tokens."""
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
    _refuse_unknown(encoder, kept)
    lengths = np.array([len(ids) for ids in kept], dtype=np.int64)
    return RowCounts(lengths, reasons, kept)


def _refuse_unknown(encoder: TextEncoder, token_ids: Sequence[NDArray[np.int32]]) -> None:
    """Raise if most of the corpus is unknown tokens: all activations would be nearly the same."""
    unknown = getattr(encoder, "unknown_token_id", None)
    words = np.concatenate([ids[1:-1] for ids in token_ids] or [np.zeros(0, np.int32)])
    if unknown is None or len(words) == 0:
        return
    share = float((words == unknown).mean())
    if share > _MOST_UNKNOWN:
        raise CheckpointError(
            encoder.name,
            expected="a tokenizer that knows the words of the corpus",
            got=f"{share:.0%} of its {len(words):,} words and word pieces unknown",
            remedy="Use a model of the corpus's language, or fetch its tokenizer again.",
        )


def _why_unreadable(manifest: Manifest, path: str) -> str:
    try:
        probe(manifest.root / path)
    except AudioError as error:
        return str(error)
    return "the manifest states no samples, the file has some: scan the corpus again"
