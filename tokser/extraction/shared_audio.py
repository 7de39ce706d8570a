"""Recordings that several encoders read: decoded once, kept until the last of them has them.

How it works: the encoders of one call take turns, shard by shard, so that all are near the same
place of the corpus. A recording that others will still read is kept, in fp32 at 16 kHz, after the
first one has decoded it, and dropped with its last reader. What exceeds the budget is not kept,
and decoded again: the next readers begin with what was kept first.

What must never happen: a reader that changes what another one sees (each gets an array of its
own); memory that follows from the corpus; numbers that depend on whether a recording was kept.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from tokser.extraction.decode import Decoded

__all__ = ["MAX_BYTES", "SharedAudio"]

MAX_BYTES = 256 * 2**20
"""Of what is kept: 70 minutes."""


class SharedAudio:
    """What was decoded for one encoder and will be read by others; thread-safe.

    Args:
        readers: Ids of the utterances that each encoder will read.
        max_bytes: Of what is kept.
    """

    def __init__(self, readers: Iterable[Iterable[str]], max_bytes: int) -> None:
        self._num_left = Counter(name for ids in readers for name in ids)
        self._max_bytes = max_bytes
        self._kept: dict[str, Decoded] = {}
        self._lock = threading.Lock()
        self.num_bytes = 0
        """Of what is kept now."""
        self.num_decoded = 0
        """Recordings that were decoded."""

    def read(self, name: str, decode: Callable[[], Decoded]) -> Decoded:
        """Return a recording for one of its readers.

        Args:
            name: Id of the utterance.
            decode: Decodes it.
        """
        with self._lock:
            kept = self._take(name)
        if kept is not None:
            return kept
        found = decode()
        with self._lock:
            self.num_decoded += 1
            size = _num_bytes(found)
            is_wanted = self._num_left[name] > 0 and name not in self._kept
            if is_wanted and self.num_bytes + size <= self._max_bytes:
                self._kept[name] = _copied(found)
                self.num_bytes += size
        return found

    def leave_out(self, names: Iterable[str]) -> None:
        """Note that an encoder will not read some utterances: another process has encoded them."""
        with self._lock:
            for name in names:
                self._take(name)

    def _take(self, name: str) -> Decoded | None:
        """Count a reader; return what is kept, which the last one takes away."""
        self._num_left[name] -= 1
        kept = self._kept.get(name)
        if kept is None:
            return None
        if self._num_left[name] > 0:
            return _copied(kept)
        del self._kept[name]
        self.num_bytes -= _num_bytes(kept)
        return kept


def _num_bytes(decoded: Decoded) -> int:
    return 0 if decoded.waveform is None else decoded.waveform.nbytes


def _copied(decoded: Decoded) -> Decoded:
    if decoded.waveform is None:
        return decoded
    return replace(decoded, waveform=decoded.waveform.copy())
