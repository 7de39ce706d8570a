"""Files of a synthetic corpus, with a mark that it was begun and one that it is complete."""

import io
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tokser.errors import InputError
from tokser.progress import progress_bar
from tokser.provenance import Stamp, write_atomically
from tokser.testing.corpora.voice import SAMPLING_RATE_HZ, Voice, resample, speak

__all__ = ["Recording", "SyntheticCorpus", "seconds_of", "write_recordings"]

_AHEAD = 8
"""Utterances that are spoken before they are written."""
_Sound = tuple[np.ndarray, int]


@dataclass(frozen=True)
class Recording:
    """One utterance to be spoken into a file.

    Args:
        path: The file; its suffix, `.wav` or `.flac`, is its format.
        text: What is said.
        voice: Who says it, and how.
    """

    path: Path
    text: str
    voice: Voice


class SyntheticCorpus:
    """The folder of one synthetic corpus, with marks of its progress.

    Args:
        root: The corpus's folder.
        settings: What determines every byte of the corpus.

    Raises:
        InputError: The folder contains other files, which are not touched.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        self._root = root
        self._finished = Stamp("synthesise", settings, {})
        begun = Stamp("synthesise (unfinished)", settings, {})
        self.is_finished = self._finished.marks(root)
        if self.is_finished or begun.marks(root):
            return
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise InputError(
                root,
                expected=f"an empty folder, or this very corpus ({dict(settings)})",
                got="other files",
                remedy="Name another folder, or remove this one.",
            )
        begun.write(root)

    def finish(self) -> None:
        """Mark the corpus as complete, after everything else was written."""
        self._finished.write(self._root)


def write_recordings(recordings: Sequence[Recording], *, description: str) -> None:
    """Synthesise every recording into its file; existing files are kept.

    Args:
        recordings: What to write; each file appears whole or not at all.
        description: Label of the progress bar.
    """
    missing = [recording for recording in recordings if not recording.path.exists()]
    with progress_bar(description, total=len(recordings), unit="utterances") as bar:
        bar.advance(len(recordings) - len(missing))
        with closing(_spoken(missing)) as sounds:
            for recording, sound in zip(missing, sounds, strict=True):
                write_atomically(recording.path, _encode(recording, sound))
                bar.advance()


def _spoken(recordings: Sequence[Recording]) -> Generator[_Sound, None, None]:
    """Speak in a thread of its own, some utterances ahead of what resamples and writes them."""
    waiting: deque[Future[_Sound]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="tokser-speak") as speaker:
        try:
            for recording in recordings:
                waiting.append(speaker.submit(speak, recording.text, recording.voice))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            speaker.shutdown(cancel_futures=True)


def seconds_of(path: Path) -> float:
    """Return the duration of a sound file in seconds, from its header."""
    import soundfile

    info = soundfile.info(path)
    return int(info.frames) / int(info.samplerate)


def _encode(recording: Recording, sound: _Sound) -> bytes:
    import soundfile

    waveform = resample(*sound)
    content = io.BytesIO()
    sound_format = recording.path.suffix.removeprefix(".").upper()
    soundfile.write(content, waveform, SAMPLING_RATE_HZ, format=sound_format, subtype="PCM_16")
    return content.getvalue()
