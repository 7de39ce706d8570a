"""How an emotion changes a voice: rate, pitch, range and loudness, with some randomness."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tokser.testing.corpora.voice import VOICE_RANGES, Voice

__all__ = ["PROSODY", "Prosody", "express"]

_RATE_JITTER, _PITCH_JITTER, _RANGE_JITTER, _VOLUME_JITTER = 0.07, 5.0, 7.0, 0.07


@dataclass(frozen=True)
class Prosody:
    """What an emotion does to a neutral voice.

    Args:
        rate: Factor of the speaking rate.
        pitch: Added to the pitch, in espeak-ng's steps of 0 to 99.
        pitch_range: Added to the pitch range, in the same steps.
        volume: Factor of the loudness.
    """

    rate: float
    pitch: int
    pitch_range: int
    volume: float


PROSODY: Mapping[str, Prosody] = {
    "neutral": Prosody(rate=1.0, pitch=0, pitch_range=0, volume=1.0),
    "anger": Prosody(rate=1.2, pitch=16, pitch_range=25, volume=1.5),
    "boredom": Prosody(rate=0.82, pitch=-9, pitch_range=-28, volume=0.8),
    "disgust": Prosody(rate=0.86, pitch=-3, pitch_range=10, volume=0.95),
    "fear": Prosody(rate=1.28, pitch=28, pitch_range=-12, volume=0.85),
    "happiness": Prosody(rate=1.1, pitch=20, pitch_range=35, volume=1.2),
    "excitement": Prosody(rate=1.2, pitch=25, pitch_range=38, volume=1.3),
    "sadness": Prosody(rate=0.76, pitch=-14, pitch_range=-20, volume=0.6),
    "frustration": Prosody(rate=1.05, pitch=4, pitch_range=12, volume=1.2),
}
"""Prosody by emotion: directions after the usual findings, sizes chosen to be learnable."""


def express(voice: Voice, emotion: str, rng: random.Random) -> Voice:
    """Change a neutral voice towards an emotion, with some randomness.

    Args:
        voice: The speaker's neutral voice.
        emotion: A key of `PROSODY`.
        rng: Source of the randomness, which makes classes overlap somewhat.

    Returns:
        The same speaker's voice, its values kept within the synthesiser's ranges.
    """
    prosody = PROSODY[emotion]
    return replace(
        voice,
        rate_wpm=_within("rate_wpm", voice.rate_wpm * prosody.rate * rng.gauss(1, _RATE_JITTER)),
        pitch=_within("pitch", voice.pitch + prosody.pitch + rng.gauss(0, _PITCH_JITTER)),
        pitch_range=_within(
            "pitch_range", voice.pitch_range + prosody.pitch_range + rng.gauss(0, _RANGE_JITTER)
        ),
        volume=_within("volume", voice.volume * prosody.volume * rng.gauss(1, _VOLUME_JITTER)),
    )


def _within(field: str, value: float) -> int:
    low, high = VOICE_RANGES[field]
    # A volume of 0 is silence, which is no utterance.
    return min(max(round(value), low, 1), high)
