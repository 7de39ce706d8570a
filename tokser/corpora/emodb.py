"""EmoDB: ten sentences, ten German speakers, seven emotions (Burkhardt et al. 2005)."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokser.corpora.folders import ends_with, report_ignored_files, visible_files
from tokser.corpora.manifest import Manifest, probe_recordings
from tokser.corpora.text_file import read_text
from tokser.corpora.transcript import EMODB_SENTENCES
from tokser.errors import CorpusError, MissingInputError, list_some
from tokser.progress import warn

__all__ = ["read_listening_test", "recognises", "recordings_in", "scan"]

_LABELS = MappingProxyType(
    {
        "W": "anger",  # Wut, or Ärger
        "L": "boredom",  # Langeweile
        "E": "disgust",  # Ekel
        "A": "fear",  # Angst
        "F": "happiness",  # Freude
        "T": "sadness",  # Trauer
        "N": "neutral",
    }
)
_SEXES = MappingProxyType(
    {
        "03": "m",
        "08": "f",
        "09": "f",
        "10": "m",
        "11": "m",
        "12": "m",
        "13": "f",
        "14": "f",
        "15": "m",
        "16": "f",
    }
)
_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])[a-z]?")
_TEST_NAME = "erkennung.txt"
_LEAST_RECOGNITION_PERCENT = 80.0
_LEAST_NATURALNESS_PERCENT = 60.0


def recognises(root: Path) -> bool:
    """Tell whether a folder holds EmoDB."""
    return any(_NAME.fullmatch(path.stem) for path in recordings_in(root))


def scan(root: Path, *, subset: str = "all") -> Manifest:
    """List the utterances of EmoDB.

    Args:
        root: The folder that holds `wav/` and, as published, `erkennung.txt`.
        subset: `all` (535), or `recognised`: those that at least 80 % of the listeners recognised
            and at least 60 % found natural (493).

    Returns:
        The manifest. Percentages are NaN without a line in `erkennung.txt`.

    Raises:
        CorpusError: File names or lines of `erkennung.txt` are not those of EmoDB.
        MissingInputError: `recognised` is requested, and there is no `erkennung.txt`.

    Source:
        Paper, Table 1: its counts are those of `recognised`.
    """
    paths = recordings_in(root)
    _check_names(paths, root)
    others = [path for path in visible_files(root / "wav") if path not in paths]
    report_ignored_files(root / "wav", others, "recordings (.wav)")
    test_path = _listening_test_in(root)
    if subset == "recognised" and not test_path.is_file():
        raise MissingInputError(
            test_path,
            expected="the results of EmoDB's listening test",
            got="no such file",
            remedy="Put `erkennung.txt` next to `wav/`, or use `--subset all`.",
        )
    listened = read_listening_test(test_path) if test_path.is_file() else {}
    rows = [_row(path, root, listened) for path in paths]
    if subset == "recognised":
        rows = [row for row in rows if _is_recognised(row)]
    return probe_recordings("emodb", root, rows)


def read_listening_test(path: Path) -> dict[str, tuple[float, float]]:
    """Read `erkennung.txt`: Latin-1, tabs, cells padded with no-break spaces, decimal commas.

    Args:
        path: The file, whose first line is a header.

    Returns:
        `(recognition_percent, naturalness_percent)` by utterance id.

    Raises:
        CorpusError: Lines are malformed; all of them are named.
    """
    results, malformed = {}, []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.startswith("Nr") or not line.strip():
            continue
        try:
            _, name, recognition, naturalness = (cell.strip() for cell in line.split("\t"))
            results[re.sub(r"\.wav$", "", name, flags=re.IGNORECASE)] = (
                _percent(recognition),
                _percent(naturalness),
            )
        except ValueError:
            malformed.append(f"line {number}: {line!r}")
    if malformed:
        raise CorpusError(
            path,
            expected="lines of number, recording, recognition and naturalness, in percent",
            got="; ".join(malformed),
            remedy="Fetch the file again.",
        )
    return results


def _row(path: Path, root: Path, listened: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    speaker, sentence, letter = path.stem[:2], path.stem[2:5], path.stem[5]
    recognition, naturalness = listened.get(path.stem, (math.nan, math.nan))
    return {
        "id": path.stem,
        "path": path.relative_to(root).as_posix(),
        "speaker": speaker,
        "sex": _SEXES[speaker],
        "session": "",
        "language": "de",
        "transcript": EMODB_SENTENCES[sentence],
        "label": _LABELS[letter],
        "sentence": sentence,
        "recognition_percent": recognition,
        "naturalness_percent": naturalness,
    }


def _is_recognised(row: Mapping[str, Any]) -> bool:
    return bool(
        row["recognition_percent"] >= _LEAST_RECOGNITION_PERCENT
        and row["naturalness_percent"] >= _LEAST_NATURALNESS_PERCENT
    )


def recordings_in(root: Path) -> list[Path]:
    """List the recordings of EmoDB's folder in order."""
    return [path for path in visible_files(root / "wav") if ends_with(path, ".wav")]


def _listening_test_in(root: Path) -> Path:
    """Return the path of the listening test; mention a file that looks like a renamed one."""
    path = root / _TEST_NAME
    texts = [one for one in visible_files(root) if ends_with(one, ".txt")]
    if path in texts:
        return path
    named = [one for one in texts if one.name.lower() == _TEST_NAME]
    if named:
        return named[0]
    copies = [one.name for one in texts if one.name.lower().startswith("erkennung")]
    if copies:
        warn(f"{root}: no {_TEST_NAME}; if {list_some(copies)} is the listening test, rename it")
    return path


def _check_names(paths: Sequence[Path], root: Path) -> None:
    faults = [f"{path.name} ({fault})" for path in paths if (fault := _fault_of_name(path.stem))]
    if faults:
        raise CorpusError(
            root / "wav",
            expected="recordings of EmoDB only, named <speaker><sentence><label letter><version>",
            got=", ".join(faults),
            remedy="Remove or rename these files.",
        )


def _fault_of_name(stem: str) -> str:
    match = _NAME.fullmatch(stem)
    if match is None:
        return "not an EmoDB name"
    speaker, sentence, letter = match.groups()
    unknown = {
        f"unknown speaker {speaker}": speaker not in _SEXES,
        f"unknown sentence {sentence}": sentence not in EMODB_SENTENCES,
        f"unknown label letter {letter}": letter not in _LABELS,
    }
    return ", ".join(fault for fault, applies in unknown.items() if applies)


def _percent(cell: str) -> float:
    percent = float(cell.replace(",", "."))
    if not 0 <= percent <= 100:
        raise ValueError(cell)
    return percent
