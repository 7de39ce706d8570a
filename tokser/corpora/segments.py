"""Long recordings of a manifest, cut into utterances that are parts of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tokser.corpora.manifest import Manifest, channel_of
from tokser.corpora.parts import END, START, part_length, part_of
from tokser.corpora.stream import read_blocks
from tokser.corpora.voice_activity import VoiceActivity
from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.errors import AudioError, InputError, SettingsError, list_some
from tokser.progress import progress_bar, warn

__all__ = ["RECORDING", "Segmented", "segment_manifest", "speech_of", "windows_of"]

RECORDING = "recording"
"""Column that names the utterance of the former manifest."""
_OF_LABELS = ("label", "valence", "arousal", "dominance", "annotations", "num_annotators")
_LABEL_SHARES = "label_"
_TRANSCRIPT = "transcript"
_DIGITS = 4
_UNIT_S = 0.001

Spans = list[tuple[float, float]]
"""Where parts begin and end, in seconds from the beginning of the file."""


@dataclass(frozen=True)
class Segmented:
    """What cutting a manifest gave.

    Attributes:
        manifest: A row for each part.
        without: Utterances without a part: nobody speaks.
        quarantined: Why an utterance was not cut, by id.
    """

    manifest: Manifest
    without: tuple[str, ...]
    quarantined: dict[str, str]


def segment_manifest(
    manifest: Manifest,
    spans_of: Callable[[Manifest, dict[str, Any]], Spans],
    *,
    keep_labels: bool = False,
) -> Segmented:
    """Cut the utterances of a manifest.

    A part is named `<id>-0001`. It keeps file, channel, speaker, sex, session, language, and every
    other column of its utterance. It loses the transcript, of which nobody knows what belongs to
    which part, and, unless `keep_labels`, what was said of the utterance as a whole: label,
    valence, arousal, dominance, annotations, label shares.

    Args:
        manifest: The utterances; parts of recordings are cut within their part.
        spans_of: Returns the parts of an utterance, given the manifest and its row.
        keep_labels: Whether each part has the label of its utterance.

    Raises:
        InputError: No utterance has a part, or two parts have the same id.
    """
    faults = {fault.id: fault.reason for fault in manifest.faults}
    rows: list[dict[str, Any]] = []
    without, quarantined = [], dict(faults)
    with progress_bar("segment", total=len(manifest.table), unit="recordings") as bar:
        for name, cells in manifest.table.iterrows():
            row = {"id": str(name), **cells.to_dict()}
            if name not in faults:
                try:
                    parts = _parts(manifest, row, spans_of, keep_labels)
                    rows += parts
                    without += [] if parts else [str(name)]
                except AudioError as error:
                    quarantined[str(name)] = error.got
            bar.advance()
    if not rows:
        raise InputError(
            "segment",
            expected="at least one part",
            got=f"none in {len(manifest.table):,} utterances ({len(without):,} without speech, "
            f"{len(quarantined):,} that cannot be read)",
            remedy="Correct the recordings, or lower --threshold.",
        )
    if without:
        warn(f"{len(without):,} utterances without speech are left out: {list_some(without)}")
    table = pd.DataFrame(rows).set_index("id").sort_index()
    copies = sorted(set(table.index[table.index.duplicated()]))
    if copies:
        raise InputError(
            "segment",
            expected="ids that differ",
            got=f"{list_some(copies)} twice",
            remedy="Rename the utterances whose ids end like those of parts.",
        )
    return Segmented(
        Manifest(manifest.dataset, manifest.root, table, ()), tuple(without), quarantined
    )


def speech_of(detector: VoiceActivity) -> Callable[[Manifest, dict[str, Any]], Spans]:
    """Return what cuts an utterance where somebody speaks."""

    def spans_of(manifest: Manifest, row: dict[str, Any]) -> Spans:
        rate, part = int(row["sampling_rate_hz"]), part_of(row)
        begin = 0.0
        span = None
        if part is not None:
            first = round(max(part[0], 0.0) * rate)
            span, begin = (first, first + int(row["num_samples"])), first / rate
        blocks = read_blocks(manifest.root / row["path"], channel_of(row), span)
        return [
            (begin + one.first / SAMPLING_RATE_HZ, begin + one.after / SAMPLING_RATE_HZ)
            for one in detector.spans(blocks)
        ]

    return spans_of


def windows_of(every_s: float, overlap_s: float) -> Callable[[Manifest, dict[str, Any]], Spans]:
    """Return what cuts an utterance into windows of equal length.

    Windows begin every `every_s - overlap_s`. What is left at the end is a shorter window, unless
    it is shorter than half of one: then it belongs to the window before it.

    Args:
        every_s: Length of a window, in seconds.
        overlap_s: What two windows share, in seconds.

    Raises:
        SettingsError: The overlap is as long as a window.
    """
    if not 0 <= overlap_s < every_s:
        raise SettingsError(
            f"--overlap {overlap_s:g}",
            expected="0 or more, and less than --every",
            got=f"--every {every_s:g}",
            remedy="Make the overlap shorter.",
        )

    def spans_of(manifest: Manifest, row: dict[str, Any]) -> Spans:
        part = part_of(row)
        begin = 0.0 if part is None else max(part[0], 0.0)
        end = begin + int(row["num_samples"]) / int(row["sampling_rate_hz"])
        return cut_evenly(begin, end, every_s, overlap_s)

    return spans_of


def cut_evenly(begin: float, end: float, every_s: float, overlap_s: float) -> Spans:
    """Cut from `begin` to `end`, in seconds; see `windows_of`."""
    hop = every_s - overlap_s
    spans = [(begin, min(begin + every_s, end))]
    while spans[-1][1] < end:
        start = begin + len(spans) * hop
        if end - start < every_s / 2:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, min(start + every_s, end)))
    return spans


def _parts(
    manifest: Manifest,
    row: dict[str, Any],
    spans_of: Callable[[Manifest, dict[str, Any]], Spans],
    keep_labels: bool,
) -> list[dict[str, Any]]:
    kept = {name: _kept(name, cell, keep_labels) for name, cell in row.items()}
    rate = int(row["sampling_rate_hz"])
    part = part_of(row)
    before = round(max(part[0], 0.0) * rate) if part else 0
    num_samples = before + int(row["num_samples"])
    parts = []
    for number, (start, end) in enumerate(_rounded(spans_of(manifest, row)), start=1):
        cells = {
            **kept,
            "id": f"{row['id']}-{number:0{_DIGITS}d}",
            START: f"{start:.3f}",
            END: f"{end:.3f}",
            "num_samples": part_length((start, end), num_samples, rate),
            RECORDING: row["id"],
        }
        parts.append(cells)
    return parts


def _kept(name: str, cell: Any, keep_labels: bool) -> Any:
    is_label = name in _OF_LABELS or name.startswith(_LABEL_SHARES)
    if name.startswith(_TRANSCRIPT) or (is_label and not keep_labels):
        return ""
    return cell


def _rounded(spans: Sequence[tuple[float, float]]) -> Spans:
    """Round to milliseconds, which is what the manifest says; no part is empty."""
    found = [(round(start, 3), round(end, 3)) for start, end in spans]
    return [(start, end) for start, end in found if end - start >= _UNIT_S]
