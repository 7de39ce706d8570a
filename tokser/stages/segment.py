"""Stage 0: cut the long recordings of a manifest into utterances."""

import json
from typing import Any

from tokser.config import SegmentSettings
from tokser.corpora.manifest import read_manifest
from tokser.corpora.segments import Segmented, segment_manifest, speech_of, windows_of
from tokser.corpora.voice_activity import VoiceActivity, VoiceActivityOptions
from tokser.durable import sha256_of_file, write_atomically
from tokser.errors import SettingsError
from tokser.progress import say
from tokser.provenance import versions

__all__ = ["segment"]


def segment(settings: SegmentSettings) -> Segmented:
    """Cut the recordings, and write the new manifest with what made it beside it.

    Raises:
        InputError: The manifest is malformed, there is no part, or `out` is the manifest itself.
    """
    path, out = settings.manifest, settings.out
    if settings.vad == (settings.every is not None):
        raise SettingsError(
            "tokser manifest segment",
            expected="one way to cut: --vad or --every SECONDS",
            got="both" if settings.vad else "none",
            remedy="Give one of them.",
        )
    if out.resolve() == path.resolve():
        raise SettingsError(
            f"--out {out}",
            expected="another file than MANIFEST, which is never changed",
            got="the same",
            remedy="Name another file.",
        )
    manifest = read_manifest(path, dataset="segment", root=settings.root or path.parent)
    about: dict[str, Any]
    if settings.every is not None:
        spans_of = windows_of(settings.every, settings.overlap)
        about = {"every_s": settings.every, "overlap_s": settings.overlap}
    else:
        options = VoiceActivityOptions(
            threshold=settings.threshold,
            min_speech_s=settings.min_speech,
            min_silence_s=settings.min_silence,
            pad_s=settings.pad,
            max_length_s=settings.max_length,
        )
        detector = VoiceActivity(options)
        spans_of, about = speech_of(detector), detector.provenance
    found = segment_manifest(manifest, spans_of, keep_labels=settings.keep_labels)
    found.manifest.write(out)
    content = {
        "stage": "segment",
        "settings": {**about, "keep_labels": settings.keep_labels},
        "inputs": {"manifest": sha256_of_file(path)},
        "sha256": sha256_of_file(out),
        "without_speech": list(found.without),
        "quarantined": found.quarantined,
        "versions": versions(),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_atomically(out.with_name(f"{out.name}.provenance.json"), text.encode())
    num_recordings = found.manifest.table["recording"].nunique()
    say(f"{len(found.manifest.table):,} segments of {num_recordings:,} recordings -> {out}")
    return found
