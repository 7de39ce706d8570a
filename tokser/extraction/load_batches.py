"""Utterances as batches of an encoder: grouped, read, prepared; broken ones quarantined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.waveform import SAMPLING_RATE_HZ, Fingerprint
from tokser.encoders.base import SpeechEncoder, TextEncoder
from tokser.extraction.decode import Decoded, decode
from tokser.extraction.shared_audio import SharedAudio

__all__ = ["LoadedBatch", "Utterances", "group_into_batches", "load_batch"]

SEQUENCES_PER_BATCH = 64
"""Transcripts of near-equal length that are encoded together; equal ones are encoded once."""


@dataclass(frozen=True)
class Utterances:
    """Some utterances, those of a shard for instance, and all that encoding them takes.

    A *place* is the number of an utterance among these, from 0.

    Attributes:
        ids: Their ids.
        num_samples: Length of each recording at 16 kHz, in samples; 0 for a broken one.
        quarantined: Why some cannot be encoded, by place.
        paths: Recordings, for a speech encoder; as text they travel to a worker much faster.
        channels: Channel of each recording; None: the mean of all channels.
        first_samples: Where each begins in its recording, in samples at 16 kHz, if they are
            parts of recordings, of which only these are read; None: all of it.
        token_ids: Tokens, for a text encoder.
        shared: Recordings that other encoders read, too; None: each is decoded here.
    """

    ids: Sequence[str]
    num_samples: Sequence[int]
    quarantined: Mapping[int, str]
    paths: Sequence[Path | str] = ()
    channels: Sequence[int | None] = ()
    first_samples: Sequence[int | None] = ()
    token_ids: Sequence[NDArray[np.int32]] = ()
    shared: SharedAudio | None = None

    @property
    def usable(self) -> list[int]:
        """Places of the utterances that are not quarantined."""
        return [place for place in range(len(self.ids)) if place not in self.quarantined]

    def audio_s(self, places: Sequence[int]) -> float:
        """Total length of some recordings, in seconds."""
        return sum(self.num_samples[place] for place in places) / SAMPLING_RATE_HZ

    def decode(self, place: int) -> Decoded:
        """Read a recording, or take it from those that were read for another encoder."""
        read = partial(
            decode,
            Path(self.paths[place]),
            self.num_samples[place],
            self.channels[place] if self.channels else None,
            self.first_samples[place] if self.first_samples else None,
        )
        return read() if self.shared is None else self.shared.read(self.ids[place], read)


@dataclass
class LoadedBatch:
    """A batch that was read and is ready for the model.

    Attributes:
        places: Its utterances, without those that could not be read.
        prepared: What the encoder's `forward` takes; None if `places` is empty.
        quarantined: Why some could not be read, by place.
        fingerprints: Checksum and modification time of each recording, by place.
    """

    places: list[int] = field(default_factory=list)
    prepared: Any = None
    quarantined: dict[int, str] = field(default_factory=dict)
    fingerprints: dict[int, Fingerprint] = field(default_factory=dict)


def group_into_batches(
    encoder: SpeechEncoder | TextEncoder, utterances: Utterances, batch_seconds: float
) -> list[list[int]]:
    """Group usable utterances into batches; waveforms longest first, texts shortest first.

    Args:
        encoder: Groups waveforms in its own way, see `SpeechEncoder.batches`.
        utterances: The utterances.
        batch_seconds: Largest amount of audio in one batch, padding included, in seconds.

    Returns:
        The places of each batch.
    """
    if encoder.kind == "text":
        tokens = utterances.token_ids
        ordered = sorted(utterances.usable, key=lambda i: (len(tokens[i]), tokens[i].tobytes()))
        starts = range(0, len(ordered), SEQUENCES_PER_BATCH)
        return [ordered[first : first + SEQUENCES_PER_BATCH] for first in starts]
    ordered = sorted(utterances.usable, key=lambda place: -utterances.num_samples[place])
    if not ordered:
        return []
    lengths = [utterances.num_samples[place] for place in ordered]
    return [[ordered[i] for i in batch] for batch in encoder.batches(lengths, batch_seconds)]


def load_batch(
    encoder: SpeechEncoder | TextEncoder, utterances: Utterances, places: Sequence[int]
) -> LoadedBatch:
    """Read the utterances of one batch and prepare them for the model; thread-safe."""
    loaded = LoadedBatch()
    if encoder.kind == "text":
        loaded.places = list(places)
        loaded.prepared = encoder.prepare([utterances.token_ids[place] for place in places])
        return loaded
    waveforms: list[NDArray[np.float32]] = []
    for place in places:
        decoded = utterances.decode(place)
        if decoded.fingerprint is not None:
            loaded.fingerprints[place] = decoded.fingerprint
        if decoded.waveform is None:
            loaded.quarantined[place] = decoded.reason
        else:
            waveforms.append(decoded.waveform)
            loaded.places.append(place)
    if waveforms:
        loaded.prepared = encoder.prepare(waveforms)
    return loaded
