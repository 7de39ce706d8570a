"""Utterances made ready for forward passes: read, batched; broken recordings set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.waveform import (
    SAMPLING_RATE_HZ,
    Fingerprint,
    fingerprint,
    read_waveform,
)
from tokser.encoders.base import Landing, SpeechEncoder, StoredDtype, TextEncoder
from tokser.errors import AudioError

__all__ = ["Loaded", "Part", "cut_passes", "launch_pass", "load_pass"]

SEQUENCES_PER_PASS = 64
"""Transcripts of near-equal length that are encoded together, equal ones once."""


@dataclass(frozen=True)
class Part:
    """Some utterances, those of a shard for instance, and all that encoding them takes.

    Attributes:
        ids: Their names.
        num_samples: Length of each recording at 16 kHz, in samples, 0 for a broken one.
        reasons: Why some are set aside, by place in the part.
        paths: Recordings, for a speech encoder.
        channels: Which channel of each is meant; None: all of them, averaged.
        token_ids: Tokens, for a text encoder.
    """

    ids: Sequence[str]
    num_samples: Sequence[int]
    reasons: Mapping[int, str]
    paths: Sequence[Path] = ()
    channels: Sequence[int | None] = ()
    token_ids: Sequence[NDArray[np.int32]] = ()

    @property
    def usable(self) -> list[int]:
        """Places of the utterances that are not set aside."""
        return [place for place in range(len(self.ids)) if place not in self.reasons]

    def audio_s(self, places: Sequence[int]) -> float:
        """Sum of the lengths of some recordings, in seconds."""
        return sum(self.num_samples[place] for place in places) / SAMPLING_RATE_HZ


@dataclass
class Loaded:
    """What is ready for one forward pass.

    Attributes:
        places: Utterances of the pass, by place in their part.
        num_set_aside: Utterances that were meant to be in it and are not.
        prepared: What the encoder's `launch` takes; nothing if `places` is empty.
        reasons: Why some could not be read.
        fingerprints: What each recording was.
    """

    places: list[int] = field(default_factory=list)
    prepared: Any = None
    reasons: dict[int, str] = field(default_factory=dict)
    fingerprints: dict[int, Fingerprint] = field(default_factory=dict)


def cut_passes(
    encoder: SpeechEncoder | TextEncoder, part: Part, batch_seconds: float
) -> list[list[int]]:
    """Group the usable utterances of a part into forward passes, longest first.

    Args:
        encoder: Has a choice of its own, see `SpeechEncoder.batches`.
        part: The utterances.
        batch_seconds: Audio of one pass at most, padding included, in seconds.
    """
    if encoder.kind == "text":
        tokens = part.token_ids
        ordered = sorted(part.usable, key=lambda i: (len(tokens[i]), tokens[i].tobytes()))
        starts = range(0, len(ordered), SEQUENCES_PER_PASS)
        return [ordered[first : first + SEQUENCES_PER_PASS] for first in starts]
    ordered = sorted(part.usable, key=lambda place: -part.num_samples[place])
    if not ordered:
        return []
    batches = encoder.batches([part.num_samples[place] for place in ordered], batch_seconds)
    return [[ordered[i] for i in batch] for batch in batches]


def load_pass(encoder: SpeechEncoder | TextEncoder, part: Part, places: Sequence[int]) -> Loaded:
    """Read the utterances of one pass, and make them ready for it; any thread may."""
    loaded = Loaded()
    if encoder.kind == "text":
        loaded.places = list(places)
        loaded.prepared = encoder.prepare([part.token_ids[place] for place in places])
        return loaded
    waveforms: list[NDArray[np.float32]] = []
    for place in places:
        try:
            loaded.fingerprints[place] = fingerprint(part.paths[place])
            waveforms.append(_read(part, place))
            loaded.places.append(place)
        except AudioError as error:
            loaded.reasons[place] = str(error)
    if waveforms:
        loaded.prepared = encoder.prepare(waveforms)
    return loaded


def launch_pass(
    encoder: SpeechEncoder | TextEncoder,
    loaded: Loaded,
    layers: Sequence[int],
    dtype: StoredDtype = "float32",
) -> Landing | None:
    """Run the forward pass over what was loaded; None if nothing of it could be read."""
    return encoder.launch(loaded.prepared, layers, dtype) if loaded.places else None


def _read(part: Part, place: int) -> NDArray[np.float32]:
    path, samples = part.paths[place], part.num_samples[place]
    waveform = read_waveform(path, part.channels[place] if part.channels else None)
    if len(waveform) != samples:
        raise AudioError(
            path,
            expected=f"{samples} samples at {SAMPLING_RATE_HZ} Hz as in the manifest",
            got=str(len(waveform)),
            remedy="The recording changed since the corpus was scanned: scan it again.",
        )
    return waveform
