"""FLAC files whose header states no length, or another one than the file has."""

import io
from pathlib import Path
from typing import NamedTuple

__all__ = ["FlacLength", "flac_length", "restated"]

_STREAMINFO_BYTES = 34
_HEADER_BYTES = 4 + 4 + _STREAMINFO_BYTES
_LONGEST_FRAME_HEADER = 16
_MOST_TAIL_BYTES = 1 << 20
_SIZES = {1: 192} | {code: 576 << code - 2 for code in range(2, 6)}
_SIZES |= {code: 256 << code - 8 for code in range(8, 16)}
_UNKNOWN = 2**36


class FlacLength(NamedTuple):
    """Samples of one channel: what the header states, and where the last frame ends."""

    stated: int
    """0: unknown when it was written."""
    found: int | None
    """None if no frame could be read from the end of the file."""


def flac_length(path: Path) -> FlacLength | None:
    """Read where the last frame of a FLAC ends; nothing is decoded.

    Returns:
        None if it is no plain FLAC (in Ogg, or behind a tag).

    Source:
        RFC 9639, sections 8.2 and 9.1.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        if head[:4] != b"fLaC" or len(head) < _HEADER_BYTES or head[4] & 0x7F:
            return None
        largest = int.from_bytes(head[15:18], "big")
        tail = min(size, _MOST_TAIL_BYTES, largest + 4096 if largest else _MOST_TAIL_BYTES)
        file.seek(size - tail)
        return FlacLength(_total(head), _end_of_last_frame(file.read(tail), head))


def restated(path: Path, num_samples: int) -> io.BytesIO:
    """Return the content of a FLAC whose header states another length."""
    content = bytearray(path.read_bytes())
    word = int.from_bytes(content[18:26], "big")
    content[18:26] = ((word >> 36 << 36) | num_samples).to_bytes(8, "big")
    return io.BytesIO(bytes(content))


def _total(head: bytes) -> int:
    return int.from_bytes(head[18:26], "big") % _UNKNOWN


def _end_of_last_frame(tail: bytes, head: bytes) -> int | None:
    place = len(tail)
    while (place := tail.rfind(b"\xff", 0, place)) >= 0:
        end = _end_of_frame(tail[place : place + _LONGEST_FRAME_HEADER], head)
        if end is not None:
            return end
    return None


def _end_of_frame(frame: bytes, head: bytes) -> int | None:
    """Return the sample behind a frame, or None if no frame of this stream begins here."""
    if len(frame) < 6 or frame[1] & 0xFE != 0xF8 or frame[3] & 1:
        return None
    channels, bits = head[20] >> 1 & 7, (head[20] & 1) << 4 | head[21] >> 4
    code = frame[3] >> 4
    if code > 10 or (code if code < 8 else 1) != channels:
        return None
    if frame[3] >> 1 & 7 not in (0, {8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}.get(bits + 1, 0)):
        return None
    number, place = _coded_number(frame, 4)
    if number is None:
        return None
    code, block = frame[2] >> 4, _SIZES.get(frame[2] >> 4, 0)
    if code in (6, 7):
        block = int.from_bytes(frame[place : place + code - 5], "big") + 1
        place += code - 5
    place += {12: 1, 13: 2, 14: 2}.get(frame[2] & 15, 0)
    if not block or place >= len(frame) or _crc8(frame[:place]) != frame[place]:
        return None
    if frame[1] & 1:  # the number is of the first sample, not of the frame
        return number + block
    return number * int.from_bytes(head[8:10], "big") + block


def _coded_number(frame: bytes, place: int) -> tuple[int | None, int]:
    """Read a number that is coded as UTF-8 codes characters, in up to 7 bytes."""
    first = frame[place]
    if first < 0x80:
        return first, place + 1
    more = next((n for n in range(1, 7) if first >> (6 - n) == (1 << n + 2) - 2), 0)
    rest = frame[place + 1 : place + 1 + more]
    if not more or len(rest) < more or any(byte >> 6 != 2 for byte in rest):
        return None, place
    number = first & (1 << max(0, 6 - more)) - 1
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, place + 1 + more


def _crc8(content: bytes) -> int:
    remainder = 0
    for byte in content:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder << 1 ^ (0x07 if remainder & 0x80 else 0)) & 0xFF
    return remainder
