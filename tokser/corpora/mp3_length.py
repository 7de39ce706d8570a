"""MP3 files without a stated length, which libsndfile guesses from the size and first frame."""

import io
from pathlib import Path
from typing import BinaryIO

__all__ = ["OpenEndedMp3", "states_length"]

_XING, _INFO, _VBRI = b"Xing", b"Info", b"VBRI"
_HAS_FRAMES, _HAS_BYTES = 1, 2
_SIDE_INFO_BYTES = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
"""By whether it is MPEG-1, and mono; the tag follows them."""
_MOST_HEAD_BYTES = 64
_LAST_TAG_BYTES = 128
_FACTOR = 100
"""More than the loudest frame of an MP3 has in bytes over the quietest (320 over 8 kbit/s)."""


def states_length(path: Path) -> bool:
    """Return whether an MP3 states its length, and is not longer than that.

    A tag that counts fewer bytes than the file has belongs to another file, for instance to the
    first of several that were concatenated.
    """
    with path.open("rb") as file:
        first = _first_frame(file)
        file.seek(first)
        head = file.read(_MOST_HEAD_BYTES)
    place = _tag_place(head)
    there = path.stat().st_size - first
    if place is None:
        return False
    if head[place : place + 4] == _VBRI:
        return _fits(int.from_bytes(head[place + 10 : place + 14], "big"), there)
    flags = int.from_bytes(head[place + 4 : place + 8], "big")
    if not flags & _HAS_BYTES:
        return bool(flags & _HAS_FRAMES)
    place += 12 if flags & _HAS_FRAMES else 8
    stated = int.from_bytes(head[place : place + 4], "big")
    return bool(flags & _HAS_FRAMES) and _fits(stated, there)


def _fits(stated: int, there: int) -> bool:
    return stated >= there - _LAST_TAG_BYTES


def _first_frame(file: BinaryIO) -> int:
    """Return where audio begins: behind the ID3v2 tags."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            return place
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        place += 10 + size + (10 if head[5] & 0x10 else 0)


def _tag_place(head: bytes) -> int | None:
    """Return where in a first frame the tag with its length stands, if there is one."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    place = 4 + _SIDE_INFO_BYTES[head[1] >> 3 & 3 == 3, head[3] >> 6 == 3]
    places = [(place, _XING), (place, _INFO), (place + 2, _XING), (place + 2, _INFO), (36, _VBRI)]
    return next((place for place, name in places if head[place : place + 4] == name), None)


class OpenEndedMp3(io.RawIOBase):
    """An MP3 that reports many times its size, so that no reader stops before the end.

    A first frame with a tag is left out, since the length that it states is wrong.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        with path.open("rb") as file:
            first = _first_frame(file)
            file.seek(first)
            self._content = file.read()
        tag = _tag_place(self._content[:_MOST_HEAD_BYTES])
        if tag is not None:
            second = self._content.find(self._content[:2], tag)
            self._content = self._content[second:] if second > 0 else b""
        self._size = _FACTOR * len(self._content) + _LAST_TAG_BYTES
        self._place = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the end that is claimed if `whence` says so."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = base + offset
        return self._place

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Read what is there; the last bytes, where decoders look for a tag, are zeros."""
        if self._place >= self._size - _LAST_TAG_BYTES:
            found = bytes(max(0, min(len(buffer), self._size - self._place)))
        else:
            found = self._content[self._place : self._place + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)
