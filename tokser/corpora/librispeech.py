"""LibriSpeech: read English, 960 hours to train on (paper, section 4.1)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokser.corpora.folders import ends_with, report_ignored_files, visible_files
from tokser.corpora.manifest import Manifest, probe_recordings
from tokser.corpora.text_file import read_text
from tokser.corpora.transcript import read_librispeech_transcripts
from tokser.errors import CorpusError, list_some
from tokser.progress import warn

__all__ = ["count_recordings", "find_splits", "recognises", "scan"]

_CHAPTERS = "[0-9]*/[0-9]*"
"""Readers and chapters are numbers; so a folder that is not LibriSpeech is left early."""


def recognises(root: Path) -> bool:
    """Tell whether a folder holds any part of LibriSpeech."""
    return bool(find_splits(root))


def scan(root: Path, *, splits: Sequence[str] = ()) -> Manifest:
    """List the utterances of LibriSpeech; the session is the chapter.

    Args:
        root: The folder that holds the splits, or one that holds `LibriSpeech`.
        splits: Names such as `train-clean-100`; empty: all that are there.

    Returns:
        The manifest. A recording without a line in its `*.trans.txt` has the transcript "".

    Raises:
        CorpusError: A split is not there, or recordings lie in another reader's chapter.
        ManifestError: Two recordings share an id.
    """
    found = find_splits(root)
    missing = [split for split in splits if split not in found]
    if missing:
        raise CorpusError(
            root,
            expected=f"the splits {list_some(splits, most=10)}",
            got=f"no {list_some(missing, most=10)}; there are {list_some(sorted(found), most=10)}",
            remedy="Name splits that exist, or unpack the missing ones.",
        )
    selected = [found[split] for split in dict.fromkeys(splits or sorted(found))]
    sexes = _sexes_in(selected[0].parent) if selected else {}
    rows = [row for split in selected for row in _rows_of_split(split, root, sexes)]
    _check_places(rows, root)
    return probe_recordings("librispeech", root, rows)


def find_splits(root: Path) -> dict[str, Path]:
    """Find the splits by name: folders with recordings two levels further down."""
    for base in (root, root / "LibriSpeech"):
        folders = [one for one in base.iterdir() if _visible(one)] if base.is_dir() else []
        found = {
            folder.name: folder
            for folder in folders
            if any(ends_with(path, ".flac") for path in folder.glob(f"{_CHAPTERS}/*.*"))
        }
        if found:
            return found
    return {}


def count_recordings(split: Path) -> int:
    """Count the recordings of a split."""
    paths = split.glob(f"{_CHAPTERS}/*.*")
    return sum(1 for path in paths if _visible(path) and ends_with(path, ".flac"))


def _rows_of_split(split: Path, root: Path, sexes: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    others: list[Path] = []
    bare: list[str] = []
    for chapter in split.glob(_CHAPTERS):
        paths = visible_files(chapter)
        recordings = [path for path in paths if ends_with(path, ".flac")]
        texts = [path for path in paths if ends_with(path, ".trans.txt")]
        others += [path for path in paths if path not in {*recordings, *texts}]
        transcripts: dict[str, str] = {}
        for path in texts:
            transcripts |= read_librispeech_transcripts(path)
        if recordings and not any(transcripts.get(path.stem) for path in recordings):
            bare.append(f"{chapter.parent.name}/{chapter.name}")
        for path in recordings:
            yield {
                "id": path.stem,
                "path": path.relative_to(root).as_posix(),
                "speaker": chapter.parent.name,
                "sex": sexes.get(chapter.parent.name, ""),
                "session": chapter.name,
                "language": "en",
                "transcript": transcripts.get(path.stem, ""),
                "label": "",
                "split": split.name,
            }
    report_ignored_files(split, others, "recordings or transcripts (.flac, .trans.txt)")
    if bare:
        warn(f"{split}: no transcript of {len(bare):,} chapters ({list_some(sorted(bare))})")


def _sexes_in(base: Path) -> dict[str, str]:
    """Read `SPEAKERS.TXT`, if it is there: ` 14   | F | train-clean-360  | 25.03 | ...`."""
    path = base / "SPEAKERS.TXT"
    if not path.is_file():
        return {}
    lines = (line.split("|") for line in read_text(path).split("\n") if not line.startswith(";"))
    return {cells[0].strip(): cells[1].strip().lower() for cells in lines if len(cells) > 1}


def _check_places(rows: Sequence[Mapping[str, Any]], root: Path) -> None:
    misplaced = [
        row["path"]
        for row in rows
        if not row["id"].startswith(f"{row['speaker']}-{row['session']}-")
    ]
    if misplaced:
        raise CorpusError(
            root,
            expected="recordings named <speaker>-<chapter>-<number>.flac within their chapter",
            got=list_some(misplaced, most=10),
            remedy="Move the recordings to where they belong, or remove them.",
        )


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")
