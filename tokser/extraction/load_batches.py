"""Utterances as batches of an encoder: grouped, read, prepared; broken ones quarantined."""

import functools
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
    read_part,
    read_waveform,
)
from tokser.encoders.base import SpeechEncoder, TextEncoder
from tokser.errors import AudioError

__all__ = ["LoadedBatch", "Utterances", "group_into_batches", "load_batch"]

_RECORDINGS_REMEMBERED = 1024
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
        paths: Recordings, for a speech encoder.
        channels: Channel of each recording; None: the mean of all channels.
        first_samples: Where each begins in its recording, in samples at 16 kHz, if they are
            parts of recordings, of which only these are read; None: all of it.
        token_ids: Tokens, for a text encoder.
    """

    ids: Sequence[str]
    num_samples: Sequence[int]
    quarantined: Mapping[int, str]
    paths: Sequence[Path] = ()
    channels: Sequence[int | None] = ()
    first_samples: Sequence[int | None] = ()
    token_ids: Sequence[NDArray[np.int32]] = ()

    @property
    def usable(self) -> list[int]:
        """Places of the utterances that are not quarantined."""
        return [place for place in range(len(self.ids)) if place not in self.quarantined]

    def audio_s(self, places: Sequence[int]) -> float:
        """Total length of some recordings, in seconds."""
        return sum(self.num_samples[place] for place in places) / SAMPLING_RATE_HZ


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
        try:
            loaded.fingerprints[place] = _fingerprint(utterances, place)
            waveforms.append(_read(utterances, place))
            loaded.places.append(place)
        except AudioError as error:
            loaded.quarantined[place] = str(error)
    if waveforms:
        loaded.prepared = encoder.prepare(waveforms)
    return loaded


def _fingerprint(utterances: Utterances, place: int) -> Fingerprint:
    """Return the fingerprint of an utterance's recording, which is read once for all its parts."""
    path = utterances.paths[place]
    if not utterances.first_samples or utterances.first_samples[place] is None:
        return fingerprint(path)
    try:
        status = path.stat()
    except OSError:
        return fingerprint(path)  # which says what is wrong
    return _fingerprint_of(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=_RECORDINGS_REMEMBERED)
def _fingerprint_of(path: Path, modified_ns: int, num_bytes: int) -> Fingerprint:
    return fingerprint(path)


def _read(utterances: Utterances, place: int) -> NDArray[np.float32]:
    path, num_samples = utterances.paths[place], utterances.num_samples[place]
    channel = utterances.channels[place] if utterances.channels else None
    first = utterances.first_samples[place] if utterances.first_samples else None
    if first is not None:
        waveform = read_part(path, first, first + num_samples, channel)
    else:
        waveform = read_waveform(path, channel)
    if len(waveform) != num_samples:
        raise AudioError(
            path,
            expected=f"{num_samples} samples at {SAMPLING_RATE_HZ} Hz as in the manifest",
            got=str(len(waveform)),
            remedy="The recording changed since the corpus was scanned: scan it again.",
        )
    return waveform
