"""Files of a synthetic corpus, with a mark that it was begun and one that it is complete."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokser.errors import InputError
from tokser.progress import progress_bar
from tokser.provenance import Stamp, write_atomically
from tokser.testing.corpora.voice import SAMPLING_RATE_HZ, Voice, synthesise

__all__ = ["Recording", "SyntheticCorpus", "seconds_of", "write_recordings"]


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
    with progress_bar(description, total=len(recordings), unit="utterances") as bar:
        for recording in recordings:
            if not recording.path.exists():
                write_atomically(recording.path, _encode(recording))
            bar.advance()


def seconds_of(path: Path) -> float:
    """Return the duration of a sound file in seconds, from its header."""
    import soundfile

    info = soundfile.info(path)
    return int(info.frames) / int(info.samplerate)


def _encode(recording: Recording) -> bytes:
    import soundfile

    waveform = synthesise(recording.text, recording.voice)
    content = io.BytesIO()
    sound_format = recording.path.suffix.removeprefix(".").upper()
    soundfile.write(content, waveform, SAMPLING_RATE_HZ, format=sound_format, subtype="PCM_16")
    return content.getvalue()
