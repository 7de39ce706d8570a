"""Recordings that changed after they were encoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokser.corpora.waveform import fingerprint
from tokser.errors import AudioError
from tokser.store import Layer, Store
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
        for utterance, digest, modified_ns in _recordings(store, layer):
            reason = _why_stale(root / str(paths[utterance]), digest, modified_ns, thorough)
            if reason:
                stale.append(Stale(group, utterance, reason))
    return stale


def _recordings(store: Store, layer: Layer) -> list[tuple[str, str, int]]:
    return [
        (store.ids[position], digest, modified_ns)
        for entry in layer.entries
        if entry
        for position, (digest, modified_ns) in enumerate(
            zip(entry.recordings, entry.modified_ns, strict=True), start=entry.first_utterance
        )
        if digest
    ]


def _why_stale(path: Path, digest: str, modified_ns: int, thorough: bool) -> str:
    try:
        if not thorough and path.stat().st_mtime_ns == modified_ns:
            return ""
        return "" if fingerprint(path).digest == digest else "its file changed"
    except (AudioError, OSError):
        return "its file is gone"
