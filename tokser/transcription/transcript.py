"""A transcript that was made by machine."""

import math
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["NO_SPEECH", "REPETITION", "WINDOW_S", "Transcript"]

WINDOW_S = 30
"""What Whisper sees at once, in seconds; longer recordings are taken window by window."""

NO_SPEECH = "no speech"
REPETITION = "repetition"


@dataclass(frozen=True)
class Transcript:
    """What Whisper wrote down of a recording.

    Attributes:
        text: The words; empty where it found no speech.
        language: Its code of the language that was named or detected, such as `de`.
        confidence: exp of the mean, over the tokens of the text, of the natural logarithm of each
            token's probability given the audio and the tokens before it; in (0, 1]; NaN without a
            text. A measure for sorting, no probability that the text is right.
        note: `no speech`, `repetition` (the text still repeats itself after every attempt, so much
            of it is probably invented), or empty.
    """

    text: str
    language: str
    confidence: float
    note: str = ""

    @classmethod
    def without_speech(cls, language: str) -> Self:
        """Return what stands for a recording in which nothing is said."""
        return cls("", language, math.nan, NO_SPEECH)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        confidence = None if math.isnan(self.confidence) else self.confidence
        return {
            "text": self.text,
            "language": self.language,
            "confidence": confidence,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `as_json` gave."""
        confidence = content["confidence"]
        return cls(
            str(content["text"]),
            str(content["language"]),
            math.nan if confidence is None else float(confidence),
            str(content["note"]),
        )
