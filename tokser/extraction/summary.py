"""What one call of `extract` did for one encoder."""

from dataclasses import dataclass

import numpy as np

from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.extraction.plan import ExtractionPlan
from tokser.extraction.progress import ExtractionProgress

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True)
class Summary:
    """What one encoder's extraction did, in this call.

    Attributes:
        encoder: Name of the model.
        kind: `speech` or `text`.
        num_usable: Utterances of the corpus that it can encode.
        num_encoded: Those that were encoded now; the others were in the store already.
        num_computed: The same with the quarantined ones of the shards that were written now.
        num_quarantined: Utterances without activations, by their headers or transcripts.
        num_resampled: Usable recordings with another rate than 16 kHz.
        num_windowed: Usable recordings that are longer than the model's window.
        audio_s: Audio that was encoded now, in seconds; for text, that of its recordings.
        seconds: Time that it took; of encoders that took turns, that of all.
        num_bytes: Bytes written.
    """

    encoder: str
    kind: str
    num_usable: int
    num_encoded: int
    num_computed: int
    num_quarantined: int
    num_resampled: int
    num_windowed: int
    audio_s: float
    seconds: float
    num_bytes: int


def summarise(plan: ExtractionPlan, progress: ExtractionProgress, seconds: float) -> Summary:
    """Summarise what was done of a plan.

    Args:
        plan: The plan.
        progress: What was done.
        seconds: Time that it took.
    """
    usable = plan.rows.lengths > 0
    rates = plan.manifest.table["sampling_rate_hz"].to_numpy()
    window_s = plan.provenance.get("window_s")
    is_speech = plan.encoder.kind == "speech"
    longest = window_s * SAMPLING_RATE_HZ if window_s else np.inf
    return Summary(
        encoder=plan.encoder.name,
        kind=plan.encoder.kind,
        num_usable=int(usable.sum()),
        num_encoded=progress.encoded,
        num_computed=progress.encoded + progress.quarantined,
        num_quarantined=int((~usable).sum()),
        num_resampled=int((usable & (rates != SAMPLING_RATE_HZ)).sum()) if is_speech else 0,
        num_windowed=int((usable & (plan.num_samples > longest)).sum()) if is_speech else 0,
        audio_s=progress.audio_s,
        seconds=seconds,
        num_bytes=progress.num_bytes,
    )
