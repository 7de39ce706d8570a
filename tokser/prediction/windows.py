"""Windows of long recordings: emotion over time. Pure arithmetic."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.errors import SettingsError

__all__ = ["Span", "Windows"]


class Span(NamedTuple):
    """A part of a recording, in samples at 16 kHz."""

    first: int
    after: int

    @property
    def start_s(self) -> float:
        """Where it begins, in seconds."""
        return self.first / SAMPLING_RATE_HZ

    @property
    def end_s(self) -> float:
        """Where it ends, in seconds."""
        return self.after / SAMPLING_RATE_HZ


@dataclass(frozen=True)
class Windows:
    """How recordings are cut.

    Attributes:
        length: Of a window, in samples at 16 kHz.
        hop: From the beginning of one to that of the next, in samples at 16 kHz.
    """

    length: int
    hop: int

    @classmethod
    def of(cls, window_s: float | None, hop_s: float | None) -> Self | None:
        """Return the windows of these options; None where there are none.

        Args:
            window_s: Length of a window, in seconds.
            hop_s: Distance of two windows, in seconds; None: as long as a window.

        Raises:
            SettingsError: There is a hop without a window, or a window leaves gaps.
        """
        if window_s is None:
            if hop_s is not None:
                raise _wrong("--hop", "a length of windows as well", f"--hop {hop_s:g} alone")
            return None
        length = round(window_s * SAMPLING_RATE_HZ)
        hop = length if hop_s is None else round(hop_s * SAMPLING_RATE_HZ)
        if not 0 < hop <= length:
            got = f"--window {window_s:g} --hop {hop_s:g}"
            raise _wrong("--hop", "more than 0 and at most the length of a window", got)
        return cls(length, hop)

    def spans(self, num_samples: int) -> list[Span]:
        """Cut a recording.

        Windows begin every `hop`, as long as they fit. What is left at the end is no shorter
        window, whose statistics would differ from the others': one more window of full length
        ends where the recording ends. A recording that is shorter than a window is one window, as
        long as it is itself.

        Args:
            num_samples: Length of the recording, at 16 kHz.
        """
        if num_samples <= self.length:
            return [Span(0, num_samples)]
        starts = list(range(0, num_samples - self.length + 1, self.hop))
        if starts[-1] + self.length < num_samples:
            starts.append(num_samples - self.length)
        return [Span(start, start + self.length) for start in starts]

    def described(self) -> dict[str, Any]:
        """Return it in seconds, for provenance."""
        return {
            "window_s": self.length / SAMPLING_RATE_HZ,
            "hop_s": self.hop / SAMPLING_RATE_HZ,
        }


def _wrong(where: str, expected: str, got: str) -> SettingsError:
    return SettingsError(
        where, expected=expected, got=got, remedy="Give both, for instance --window 4 --hop 1."
    )
