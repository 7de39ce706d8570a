"""IEMOCAP: ten actors in five sessions, scripted and improvised (Busso et al. 2008)."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokser.corpora.folders import ends_with, report_ignored_files, visible_files
from tokser.corpora.manifest import Manifest, probe_recordings
from tokser.corpora.text_file import read_text
from tokser.corpora.transcript import read_iemocap_transcripts
from tokser.errors import CorpusError, list_some
from tokser.progress import warn

__all__ = ["list_turns", "recognises", "scan"]

_LABELS = MappingProxyType(
    {
        "ang": "anger",
        "hap": "happiness",
        "exc": "happiness",  # excited joins happy (paper, section 4.1)
        "neu": "neutral",
        "sad": "sadness",
    }
)
_UNUSED_LABELS = frozenset({"fru", "fea", "sur", "dis", "oth", "xxx"})
_SESSION = re.compile(r"session[1-5]", re.IGNORECASE)
_DIALOG = re.compile(r"Ses\d\d[FM]_\w+")
_TURN = re.compile(r"\[[\d.]+ - [\d.]+\]\s+(\S+)\s+(\S+)\s+\[([\d.]+),\s*([\d.]+),\s*([\d.]+)\]")
_ID = re.compile(r"Ses\d\d[FM]_\w+_[FM]\w+")


@dataclass(frozen=True, slots=True)
class _Turn:
    id: str
    label: str
    valence: float
    arousal: float
    dominance: float


def recognises(root: Path) -> bool:
    """Tell whether a folder holds any session of IEMOCAP."""
    return bool(_evaluations_in(root))


def scan(root: Path, *, subset: str = "all") -> Manifest:
    """List the utterances of IEMOCAP that annotators rated (10,039 in all).

    Those that have one of the four classes (5,531) are labelled, the others have an empty label.

    The letter after `SesNN` is the actor with the motion-capture markers; the speaker is the
    letter of the last field.

    Args:
        root: The folder that holds `Session1` to `Session5`, or one that holds
            `IEMOCAP_full_release`.
        subset: `all`, or `four-class`: those that are labelled.

    Returns:
        The manifest. Valence, arousal and dominance are means over the annotators, in [1, 5].

    Raises:
        CorpusError: Lines of `EmoEvaluation` are malformed or have a label that IEMOCAP lacks; all
            of them are named.

    Source:
        Paper, section 4.1 and Table 1.
    """
    _report_missing(root)
    return probe_recordings("iemocap", root, list_turns(root, subset=subset))


def list_turns(root: Path, *, subset: str = "all") -> list[dict[str, Any]]:
    """List the utterances of `scan` without opening recordings: rows of the manifest by column.

    Raises:
        CorpusError: As `scan`.
    """
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    for path in _evaluations_in(root):
        turns, faults_here = _read_evaluation(path)
        faults += faults_here
        transcripts, files = _transcripts_of(path), _recordings_of(path)
        used = (turn for turn in turns if subset == "all" or turn.label in _LABELS)
        rows += [_row(turn, path.parents[2], root, transcripts, files) for turn in used]
    if faults:
        raise CorpusError(
            root,
            expected=f"turns labelled {', '.join(sorted({*_LABELS, *_UNUSED_LABELS}))}",
            got=list_some(faults, most=20),
            remedy="Fetch the named files again.",
        )
    return rows


def _evaluations_in(root: Path) -> list[Path]:
    found, _ = _annotations_in(root)
    return found


def _annotations_in(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the annotation files, and the other files next to them."""
    for base in (root, root / "IEMOCAP_full_release"):
        inside = sorted(base.iterdir()) if base.is_dir() else []
        sessions = [path for path in inside if _SESSION.fullmatch(path.name)]
        folders = [session / "dialog" / "EmoEvaluation" for session in sessions]
        paths = [path for folder in folders for path in visible_files(folder)]
        found = [path for path in paths if ends_with(path, ".txt") and _DIALOG.fullmatch(path.stem)]
        if found:
            return found, [path for path in paths if path not in found]
    return [], []


def _report_missing(root: Path) -> None:
    """Print which sessions and transcripts are missing, and which files are ignored."""
    evaluations, others = _annotations_in(root)
    report_ignored_files(root, others, "annotations of a dialog (Ses01F_impro01.txt)")
    there = {path.parents[2].name[-1] for path in evaluations}
    if missing := sorted(set("12345") - there):
        warn(f"{root}: no annotations of session {', '.join(missing)}")
    bare = [path.stem for path in evaluations if not _transcripts_of(path)]
    if bare:
        warn(f"{root}: no transcript of {len(bare)} dialogs ({list_some(bare)})")


def _transcripts_of(evaluation: Path) -> dict[str, str]:
    path = evaluation.parents[1] / "transcriptions" / evaluation.name
    return read_iemocap_transcripts(path) if path.is_file() else {}


def _read_evaluation(path: Path) -> tuple[list[_Turn], list[str]]:
    """Return the rated turns of a dialog, and what is wrong with the others."""
    turns, faults = [], []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.startswith("["):  # a header, or what one annotator said
            continue
        turn = _parse_turn(line)
        if turn is None:
            faults.append(f"{path.name} line {number}: {line.strip()!r}")
        elif "XX" in turn.id.rpartition("_")[2]:  # a turn that nobody evaluated
            continue
        elif turn.label not in _LABELS and turn.label not in _UNUSED_LABELS:
            faults.append(f"{path.name} line {number}: unknown label {turn.label!r}")
        else:
            turns.append(turn)
    return turns, faults


def _parse_turn(line: str) -> _Turn | None:
    match = _TURN.match(line)
    if match is None or not (_ID.fullmatch(match[1]) or "XX" in match[1]):
        return None
    try:
        return _Turn(match[1], match[2], *(float(match[group]) for group in (3, 4, 5)))
    except ValueError:
        return None


def _recordings_of(evaluation: Path) -> dict[str, Path]:
    """Return the recordings of a dialog by their turn."""
    folder = evaluation.parents[2] / "sentences" / "wav" / evaluation.stem
    return {path.stem: path for path in visible_files(folder) if ends_with(path, ".wav")}


def _row(
    turn: _Turn, session: Path, root: Path, transcripts: dict[str, str], files: dict[str, Path]
) -> dict[str, Any]:
    dialog, _, last = turn.id.rpartition("_")
    path = files.get(turn.id, session / "sentences" / "wav" / dialog / f"{turn.id}.wav")
    return {
        "id": turn.id,
        "path": path.relative_to(root).as_posix(),
        "speaker": turn.id[:5] + last[0],
        "sex": last[0].lower(),
        "session": session.name[-1],
        "language": "en",
        "transcript": transcripts.get(turn.id, ""),
        "label": _LABELS.get(turn.label, ""),
        "valence": turn.valence,
        "arousal": turn.arousal,
        "dominance": turn.dominance,
    }
