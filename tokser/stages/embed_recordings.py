"""Recordings of a store's utterances for a page: read, encoded, and counted before."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from tokser.corpora.utterance_audio import duration_s, read_utterance
from tokser.errors import AudioError, list_some
from tokser.progress import progress_bar, say, warn
from tokser.report.embedded_audio import (
    SAMPLING_RATE_HZ,
    Recording,
    embedded_audio,
    estimated_bytes,
)
from tokser.report.waveform import waveform_path

__all__ = ["Recording", "embed_recordings", "file_of"]

_THREADS = 4
"""Encoding leaves the interpreter's lock, and reading waits for the disk."""


def embed_recordings(
    root: Path, utterances: pd.DataFrame, ids: Sequence[str]
) -> Mapping[str, Recording]:
    """Encode recordings as Ogg/Opus for a page; say before how much that adds to it.

    Args:
        root: Folder of the corpus, which paths are relative to.
        utterances: Those of a store, index = id.
        ids: Whose recordings, in order.

    Returns:
        By id. Recordings that cannot be read are named in a warning.

    Raises:
        MissingPackageError: The installed libsndfile cannot write Opus.
    """
    if not ids:
        return {}
    rows = utterances.loc[list(ids)].to_dict("index")
    size = estimated_bytes(duration_s(row) for row in rows.values())
    say(f"{len(ids):,} recordings add about {size / 1e6:.1f} MB to the page")

    def encoded(name: str) -> Recording:
        try:
            samples = read_utterance(root, rows[name])
        except AudioError as error:
            return Recording("", error.got)
        length = len(samples) / SAMPLING_RATE_HZ
        return Recording(embedded_audio(samples), "", waveform_path(samples), length)

    found = {}
    with (
        progress_bar("Encoding recordings", total=len(ids), unit="recordings") as bar,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        for name, recording in zip(ids, pool.map(encoded, ids), strict=True):
            found[name] = recording
            bar.advance(1)
    lost = [f"{file_of(rows[name])}: {one.fault}" for name, one in found.items() if one.fault]
    if lost:
        warn(
            f"{len(lost)} of {len(ids)} recordings cannot be played, below {root}: "
            f"{list_some(lost)}. The page shows their paths; name the corpus's folder with --root."
        )
    return found


def file_of(row: Mapping[str, object]) -> str:
    """Return an utterance's file, relative to the corpus, with the part or channel that it is."""
    part = f" [{row['start_s']} s to {row['end_s']} s]" if row.get("start_s") else ""
    channel = f" (channel {row['channel']})" if row.get("channel") else ""
    return f"{row['path']}{part}{channel}"
