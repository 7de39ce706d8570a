"""Recordings that changed after they were encoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokser.corpora.waveform import fingerprint
from tokser.errors import AudioError, StoreMismatchError, list_some
from tokser.store import Recording, Store
from tokser.store.schema import FUNCTIONALS

__all__ = ["StaleRecording", "refuse_stale", "stale_recordings"]


class StaleRecording(NamedTuple):
    """A recording that differs from the one that was encoded."""

    group: str
    utterance: str
    reason: str


def stale_recordings(
    store: Store, root: Path, *, groups: Sequence[str] = (), thorough: bool = False
) -> list[StaleRecording]:
    """Compare recordings with their checksums in the journal.

    Args:
        store: The store.
        root: Folder of the corpus.
        groups: Encoders whose recordings are compared; all by default.
        thorough: Read every file; otherwise only those whose modification time differs.
    """
    paths = store.utterances["path"].to_dict()
    stale = []
    for group in groups or store.groups:
        # A group of functionals has recordings if it was extracted without rows.
        if store.group(group).kind not in ("speech", FUNCTIONALS):
            continue
        layer = store[f"{group}/{next(iter(store.group(group).features))}"]
        for utterance, record in layer.records().items():
            path, recording = root / str(paths[utterance]), record.recording
            reason = _why_stale(path, recording, thorough) if recording.digest else ""
            if reason:
                stale.append(StaleRecording(group, utterance, reason))
    return stale


def refuse_stale(store: Store, root: Path, group: str) -> None:
    """Raise `StoreMismatchError` if recordings of a group changed since they were encoded."""
    stale = stale_recordings(store, root, groups=(group,))
    if stale:
        raise StoreMismatchError(
            f"{store.path}, {group}",
            expected="the recordings that were encoded",
            got=list_some([f"{one.utterance}: {one.reason}" for one in stale], most=3),
            remedy="Restore them, or run "
            f"`tokser store repair {store.path} --root {root}` to have them encoded again.",
        )


def _why_stale(path: Path, recording: Recording, thorough: bool) -> str:
    try:
        if not thorough and path.stat().st_mtime_ns == recording.modified_ns:
            return ""
        return "" if fingerprint(path).digest == recording.digest else "its file changed"
    except (AudioError, OSError):
        return "its file is missing"
