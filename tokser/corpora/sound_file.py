"""A sound file: opened, its length checked, its faults reported."""

import re
import struct
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tokser.corpora.flac_length import flac_length, restated
from tokser.corpora.mp3_length import OpenEndedMp3, states_length
from tokser.errors import AudioError

__all__ = ["SoundFile", "opened", "unusable"]

_BLOCK_S = 60
_LONGEST_S = 24 * 3600
_STREAMED = (0, 2**32 - 1)
"""Lengths in a header that mean: not known when it was begun."""
_CORRECTED = re.compile(r"(\w[\w ]*?)\s*:\s*(\d+) \(should be (\d+)\)")
"""How libsndfile notes that a file has fewer bytes than its header states."""
_NIST_COUNT = re.compile(rb"^sample_count -i (\d+)", re.MULTILINE)
_FAULTS = (
    *(soundfile.SoundFileError, OSError, ValueError, TypeError, LookupError),
    *(RuntimeError, ArithmeticError, AssertionError, NotImplementedError),
)
"""What soundfile raises for a damaged header or a special file name."""


@dataclass(frozen=True)
class SoundFile:
    """A recording that can be decoded.

    Attributes:
        path: Its file.
        num_samples: Of one channel; None: the file does not state it and has to be decoded.
        sampling_rate_hz: As recorded.
        num_channels: As recorded.
    """

    path: Path
    num_samples: int | None
    sampling_rate_hz: int
    num_channels: int
    _file: Any

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield float32 [samples, channels], to the end or to the length that is stated.

        In blocks: a damaged header must not decide how much memory is allocated at once.

        Raises:
            AudioError: It stops decoding.
        """
        num_left = self.num_samples if self.num_samples is not None else self._most
        while num_left > 0:
            block = self._read(min(num_left, _BLOCK_S * self.sampling_rate_hz))
            if len(block) == 0:
                return
            num_left -= len(block)
            yield block
        if self.num_samples is None:
            raise unusable(self.path, "more than 24 h")

    def part(self, first: int, num_samples: int) -> np.ndarray:
        """Return float32 [samples, channels] from a sample on, found by seeking.

        Where the file states no length it is decoded from its beginning. Fewer samples come back
        where the recording ends before.

        Raises:
            AudioError: It cannot be sought in, or stops decoding.
        """
        if self.num_samples is None:
            kept, place = [], 0
            for block in self.blocks():
                kept.append(block[max(first - place, 0) : max(first + num_samples - place, 0)])
                place += len(block)
                if place >= first + num_samples:
                    break
            return np.concatenate(kept)
        try:
            self._file.seek(min(first, self.num_samples))
        except _FAULTS as error:
            got = f"a file in which sample {first} cannot be found ({_reason(error)})"
            raise unusable(self.path, got) from error
        return self._read(num_samples)

    @property
    def _most(self) -> int:
        return _LONGEST_S * self.sampling_rate_hz

    def _read(self, num_samples: int) -> np.ndarray:
        try:
            block: np.ndarray = self._file.read(num_samples, "float32", always_2d=True)
        except _FAULTS as error:
            got = f"a file that stops decoding ({_reason(error)}): truncated or damaged"
            raise unusable(self.path, got) from error
        return block


@contextmanager
def opened(path: Path) -> Iterator[SoundFile]:
    """Open a recording of any format that libsndfile knows.

    Raises:
        AudioError: The file is missing, empty, cannot be read, is no audio, or shorter than its
            header states.
    """
    _check_file(path)
    with ExitStack() as stack:
        file, num_samples = _open(path, stack)
        if num_samples == 0:
            raise unusable(path, "a recording of zero samples")
        if num_samples is not None and num_samples > _LONGEST_S * file.samplerate:
            raise unusable(path, "a header without a plausible length (unknown, or above 24 h)")
        yield SoundFile(path, num_samples, file.samplerate, file.channels, file)


def unusable(path: Path, got: str) -> AudioError:
    """Return the error that sends a recording to quarantine."""
    return AudioError(
        path,
        expected="a complete recording of at least one finite sample",
        got=got,
        remedy="Fetch the file again, or leave the utterance out.",
    )


def _open(path: Path, stack: ExitStack) -> tuple[Any, int | None]:
    """Open a file so that all of it can be read; None: its length is not stated."""
    if path.suffix.lower() == ".raw":
        raise unusable(path, "a .raw file, which states no sampling rate; save it as WAV")
    file = _sound(path, str(path), stack)
    if file.format == "MP3" and not states_length(path):
        return _sound(path, OpenEndedMp3(path), stack), None
    if file.format == "FLAC":
        return _open_flac(path, file, stack)
    if file.format in ("WAV", "WAVEX"):
        _refuse_cut_wav(path)
    else:
        _refuse_cut(path, file)
    return file, file.frames


def _open_flac(path: Path, file: Any, stack: ExitStack) -> tuple[Any, int]:
    length = flac_length(path)
    if length is None or length.found is None or length.found == length.stated:
        return file, file.frames
    if length.found < length.stated:
        raise unusable(path, f"{length.found} of the {length.stated} samples its header states")
    return _sound(path, restated(path, length.found), stack), length.found


def _sound(path: Path, source: Any, stack: ExitStack) -> Any:
    try:
        return stack.enter_context(soundfile.SoundFile(source))
    except _FAULTS as error:
        raise unusable(path, f"a file that is not audio ({_reason(error)})") from error


def _check_file(path: Path) -> None:
    try:
        if not path.stat() or not path.is_file():
            raise unusable(path, "not a regular file")
        with path.open("rb") as file:
            content = file.read(1)
    except FileNotFoundError as error:
        raise unusable(path, f"no such file{_almost(path)}") from error
    except (OSError, ValueError) as error:  # ValueError: no name of a file, for instance a null
        reason = getattr(error, "strerror", None) or error
        raise unusable(path, f"a file that cannot be read ({reason})") from error
    if not content:
        raise unusable(path, "an empty file (0 bytes)")


def _almost(path: Path) -> str:
    """Mention a file whose name differs from a missing one by white space or Unicode form only."""
    if path.with_name(path.name.strip() or path.name).is_file():
        return " (a file of this name without surrounding white space exists)"
    composed, decomposed = (
        unicodedata.normalize("NFC", str(path)),
        unicodedata.normalize("NFD", str(path)),
    )
    if Path(composed).is_file() or Path(decomposed).is_file():
        return " (a file of the same name in another Unicode normal form exists)"
    return ""


def _refuse_cut_wav(path: Path) -> None:
    """Raise if a WAV ends before its header says; libsndfile would correct the header."""
    size = path.stat().st_size
    with path.open("rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12))
        if (riff, wave) != (b"RIFF", b"WAVE"):
            return
        position = 12
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            position += 8
            if name == b"data":
                if length not in _STREAMED and position + length > size:
                    got = f"{size - position} of the {length} bytes that its header states"
                    raise unusable(path, got)
                return
            position += length + length % 2
            file.seek(position)


def _refuse_cut(path: Path, file: Any) -> None:
    """Raise if a file of another format ends before its header says."""
    if file.format == "NIST":
        with path.open("rb") as content:
            count = _NIST_COUNT.search(content.read(1024))
        if count and int(count[1]) > file.frames:
            raise unusable(path, f"{file.frames} of the {int(count[1])} samples its header states")
    for name, stated, there in _CORRECTED.findall(file.extra_info):
        if int(stated) not in _STREAMED and int(stated) > int(there):
            raise unusable(path, f"{there} of the {stated} bytes that its header states ({name})")


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or type(error).__name__
