"""Recordings that changed after they were encoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokser.corpora.waveform import fingerprint
from tokser.errors import AudioError
from tokser.store import Recording, Store
from tokser.store.schema import FUNCTIONALS

__all__ = ["Stale", "stale_recordings"]


class Stale(NamedTuple):
    """A recording that is not what was encoded."""

    group: str
    utterance: str
    reason: str


def stale_recordings(
    store: Store, root: Path, *, groups: Sequence[str] = (), thorough: bool = False
) -> list[Stale]:
    """Compare recordings with what the journal says they were.

    Args:
        store: The store.
        root: Folder of the corpus.
        groups: Encoders to look at; all by default.
        thorough: Read every file; otherwise only those whose time of change differs.
    """
    paths = store.utterances["path"].to_dict()
    stale = []
    for group in groups or store.groups:
        if store.group(group).kind not in ("speech", FUNCTIONALS):  # of some, without their rows
            continue
        layer = store[f"{group}/{next(iter(store.group(group).features))}"]
        for utterance, record in layer.records().items():
            path, recording = root / str(paths[utterance]), record.recording
            reason = _why_stale(path, recording, thorough) if recording.digest else ""
            if reason:
                stale.append(Stale(group, utterance, reason))
    return stale


def _why_stale(path: Path, recording: Recording, thorough: bool) -> str:
    try:
        if not thorough and path.stat().st_mtime_ns == recording.modified_ns:
            return ""
        return "" if fingerprint(path).digest == recording.digest else "its file changed"
    except (AudioError, OSError):
        return "its file is gone"
