"""Recordings that go with the page: their sound, and the outline of their waveform."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from tokser.errors import AudioError, list_some
from tokser.experiments.joined_store import corpora_of
from tokser.progress import progress_bar, say, warn
from tokser.report.embedded_audio import SAMPLING_RATE_HZ, embedded_audio, estimated_bytes
from tokser.store import Store

__all__ = ["HEIGHT", "WIDTH", "Embedded", "ReadUtterance", "Recording", "embed", "waveform_path"]

ReadUtterance = Callable[[Path, Mapping[str, Any]], Float32[np.ndarray, " num_samples"]]
"""Decodes an utterance, mono at 16 kHz, of the corpus's folder and a row of its manifest."""

WIDTH, HEIGHT = 300, 48
"""Units of the picture of a waveform."""
_MEGABYTE = 2**20


@dataclass(frozen=True)
class Recording:
    """A recording that the page carries with it.

    Attributes:
        audio: Data address of its sound.
        waveform: Path of its outline, in a picture of WIDTH x HEIGHT.
        duration_s: Its length, in s.
    """

    audio: str
    waveform: str
    duration_s: float


@dataclass(frozen=True)
class Embedded:
    """What came of the recordings that were wanted.

    Attributes:
        recordings: By id.
        faults: Why others are not on the page, by id.
    """

    recordings: Mapping[str, Recording] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


def embed(
    ids: Sequence[str],
    store: Store,
    read: ReadUtterance,
    *,
    folders: Sequence[Path] = (),
    title: str,
) -> Embedded:
    """Encode recordings for the page; what they add to it is said before.

    Args:
        ids: Which ones.
        store: Knows where they are.
        read: Decodes one.
        folders: Where the corpus may lie instead of where it was when it was extracted.
        title: What they are of, for messages.

    Raises:
        MissingPackageError: The installed libsndfile cannot write Opus.
    """
    if not ids:
        return Embedded()
    places = {name: _place_of(name, store, folders) for name in ids}
    lengths = [_duration_s(row) for _, row in places.values()]
    size = estimated_bytes(lengths) / _MEGABYTE
    say(f"{title}: {len(ids)} recordings, {sum(lengths):.0f} s, add about {size:.1f} MB")
    recordings, faults = {}, {}
    with progress_bar("recordings", total=len(ids), unit="recordings") as task:
        for name, (root, row) in places.items():
            try:
                samples = read(root, row)
            except AudioError as error:
                faults[name] = str(error)
            else:
                length = len(samples) / SAMPLING_RATE_HZ
                audio = embedded_audio(samples)
                recordings[name] = Recording(audio, waveform_path(samples), length)
            task.advance()
    if faults:
        told = f"{len(faults)} of {len(ids)} recordings cannot be read, and their paths are shown"
        hint = " Name the folder of the corpus with --root." if not recordings else ""
        warn(f"{title}: {told}: {list_some(list(faults.values()), most=2)}{hint}")
    return Embedded(recordings, faults)


def waveform_path(samples: Float32[np.ndarray, " num_samples"]) -> str:
    """Draw the outline of a waveform: the least and the largest sample of each piece.

    The largest sample of all reaches the edge of the picture.
    """
    starts = np.unique(np.linspace(0, len(samples), WIDTH, endpoint=False).astype(int))
    lowest, highest = (f.reduceat(samples, starts) for f in (np.minimum, np.maximum))
    scale = HEIGHT / 2 / max(float(np.abs(samples).max()), 1e-6)
    across = np.round(starts * (WIDTH / len(samples))).astype(int)
    above, below = (np.round(HEIGHT / 2 - side * scale).astype(int) for side in (highest, lowest))
    points = [*zip(across, above, strict=True), *zip(across[::-1], below[::-1], strict=True)]
    return "M" + "L".join(f"{x} {y}" for x, y in points) + "z"


def _place_of(name: str, store: Store, folders: Sequence[Path]) -> tuple[Path, Mapping[str, Any]]:
    """Return the folder of the corpus, and the row of the manifest."""
    for mark, own in corpora_of(store).items():
        if name.startswith(mark) and name.removeprefix(mark) in own.utterances.index:
            row = own.utterances.loc[name.removeprefix(mark)].to_dict()
            known = [*folders, Path(own.attributes.root)]
            there = (folder for folder in known if (folder / str(row["path"])).is_file())
            return next(there, known[0]), row
    raise KeyError(name)


def _duration_s(row: Mapping[str, Any]) -> float:
    return int(row["num_samples"]) / max(int(row["sampling_rate_hz"]), 1)
