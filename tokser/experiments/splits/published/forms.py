"""The forms in which splits of the field are published, one reader each."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from tokser.errors import InputError, list_some, shortened
from tokser.experiments.splits.published.named_parts import (
    NamedFold,
    files_in,
    read_json,
    read_text,
    rows_of,
)

__all__ = ["FORMS", "stem_of"]

_EMOBOX = re.compile(r"(?P<name>.+)_(?P<part>train|valid|test)_fold_?(?P<fold>\d+)")
_SESSION = re.compile(r"Session(?P<fold>\d+)")
_CONSENSUS = re.compile(r"labels_consensus_?(?P<fold>\d*)")
_MELD = re.compile(r"(?P<part>train|dev|test)_sent_emo")
_VALID = {"train": "train", "valid": "dev", "dev": "dev", "test": "test"}
_SETS = {"train": "train", "development": "dev", "validation": "dev", "dev": "dev", "test": "test"}
"""Parts as Split_Set and Partitions.txt call them; Test1, Test2 and so on are tests, too."""


def _emobox(where: Path) -> list[NamedFold]:
    """Read `fold_<n>/<dataset>_<part>_fold_<n>.jsonl`: an object with `key` and `wav` a line."""
    patterns = ("*_fold*.jsonl",)
    folds: dict[str, NamedFold] = {}
    faults = []
    for path in _beside(where, patterns, "EmoBox"):
        place = _EMOBOX.fullmatch(path.stem)
        if place is None:
            continue
        fold = folds.setdefault(place["fold"], NamedFold("emobox", place["fold"]))
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if not line.strip():
                continue
            value = _object(line)
            names = [str(value[key]) for key in ("key", "wav") if value.get(key)]
            if names:
                fold.add(_VALID[place["part"]], *names)
            else:
                faults.append(f"{path.name}, line {number}: no object with `key`")
    if faults or not folds:
        raise _wrong(where, "EmoBox's files of folds, an object with `key` a line", faults)
    return [folds[name] for name in sorted(folds, key=int)]


def _emo_superb(where: Path) -> list[NamedFold]:
    """Read `labels_consensus_<n>.csv` of one corpus and annotation: FileName, Split_Set."""
    folds = []
    for path in files_in(where, ("labels_consensus*.csv",), "EMO-SUPERB"):
        place = _CONSENSUS.fullmatch(path.stem)
        name = place["fold"] if place is not None and place["fold"] else "1"
        folds.append(_by_set(path, "emo-superb", name)[0])
    names = [fold.fold for fold in folds]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        expected = "the folder of one corpus and annotation (Primary or Secondary)"
        raise _wrong(where, expected, [f"fold {list_some(twice)} twice"])
    return sorted(folds, key=lambda fold: int(fold.fold))


def _superb(where: Path) -> list[NamedFold]:
    """Read `Session<n>/{train,test}_meta_data.json`: `meta_data`, a list with `path`.

    SUPERB draws dev at random from train; here it is drawn by speaker, as for every file without.
    """
    folds: dict[str, NamedFold] = {}
    faults = []
    for path in files_in(where, ("*_meta_data.json",), "SUPERB"):
        place = _SESSION.fullmatch(path.parent.name)
        part = _VALID.get(path.name.partition("_")[0])
        if place is None or part is None:
            faults.append(f"{path.parent.name}/{path.name}, which is no Session<n>/<part>")
            continue
        content = read_json(path)
        rows = content.get("meta_data") if isinstance(content, dict) else None
        listed = rows if isinstance(rows, list) else []
        paths = [r.get("path") if isinstance(r, dict) else None for r in listed]
        if not paths or not all(isinstance(name, str) for name in paths):
            faults.append(f"{path.parent.name}/{path.name}: no `meta_data` with `path`")
            continue
        fold = folds.setdefault(place["fold"], NamedFold("superb", f"Session{place['fold']}"))
        for name in paths:
            fold.add(part, str(name))
    if faults:
        raise _wrong(where, "the folder meta_data of s3prl's downstream/emotion", faults)
    return [folds[name] for name in sorted(folds, key=int)]


def _msp_podcast(where: Path) -> list[NamedFold]:
    """Read Partitions.txt (`Test1; NAME.wav`) or labels_consensus.csv (FileName, Split_Set).

    Each test set is a protocol of its own, for they are reported apart.
    """
    patterns = ("Partitions.txt", "labels_con[sc]ensus.csv")
    path = files_in(where, patterns, "MSP-Podcast")[0]
    if path.suffix == ".csv":
        return _by_set(path, "msp-podcast", "all")
    pairs, faults = [], []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        part, mark, name = line.partition(";")
        if mark and part.strip() and name.strip():
            pairs.append((part.strip(), name.strip()))
        elif line.strip():
            faults.append(f"line {number}: {shortened(line, 60)!r}")
    if faults:
        raise _wrong(path, "lines such as `Test1; MSP-PODCAST_0001_0008.wav`", faults)
    return _tests_apart(path, pairs, "msp-podcast", "all")


def _meld(where: Path) -> list[NamedFold]:
    """Read train, dev and test_sent_emo.csv: Dialogue_ID, Utterance_ID.

    Utterances are `train_dia0_utt0`, as `tokser manifest meld` calls them.
    """
    fold = NamedFold("meld", "meld")
    for path in _beside(where, ("*_sent_emo.csv",), "MELD"):
        place = _MELD.fullmatch(path.stem)
        if place is None:
            continue
        for row in rows_of(path, ("Dialogue_ID", "Utterance_ID")):
            name = f"{place['part']}_dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
            fold.add(place["part"], name)
    lacking = [part for part in ("train", "test") if not fold.parts.get(part)]
    if lacking:
        files = ", ".join(f"{part}_sent_emo.csv" for part in lacking)
        raise _wrong(where, "train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv",
                     [f"no {files}, or no row in it"])  # fmt: skip
    return [fold]


def _beside(where: Path, patterns: tuple[str, ...], form: str) -> list[Path]:
    """Return the files of a folder; of one file, all that are with it."""
    if where.is_file():
        where = where.parent
    return files_in(where, patterns, form)


def _by_set(path: Path, protocol: str, fold: str) -> list[NamedFold]:
    rows = rows_of(path, ("FileName", "Split_Set"))
    return _tests_apart(path, [(row["Split_Set"], row["FileName"]) for row in rows], protocol, fold)


def _tests_apart(
    path: Path, pairs: Iterable[tuple[str, str]], protocol: str, fold: str
) -> list[NamedFold]:
    """Return a fold for each test set: Test1, Test2 and so on."""
    common: dict[str, list[tuple[str, ...]]] = {}
    tests: dict[str, list[tuple[str, ...]]] = {}
    unknown: dict[str, None] = {}
    for text, name in pairs:
        part = text.lower()
        if re.fullmatch(r"test[-_ ]?\d+", part):
            tests.setdefault(re.sub(r"[-_ ]", "", part), []).append((name,))
        elif _SETS.get(part) == "test":
            tests.setdefault("", []).append((name,))
        elif part in _SETS:
            common.setdefault(_SETS[part], []).append((name,))
        else:
            unknown[text] = None
    if unknown or not common.get("train") or not tests:
        faults = [f"the part {shortened(text, 40)!r}" for text in unknown]
        faults += [] if common.get("train") else ["no part Train"]
        faults += [] if tests else ["no part Test"]
        raise _wrong(path, "the parts Train, Development and Test (Test1, Test2...)", faults)
    return [
        NamedFold(f"{protocol}-{test}" if test else protocol, fold, {**common, "test": names})
        for test, names in sorted(tests.items())
    ]


def _object(line: str) -> Mapping[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _wrong(where: Path, expected: str, faults: list[str]) -> InputError:
    return InputError(
        f"--splits {where}",
        expected=expected,
        got=list_some(faults, most=12) or "none",
        remedy="Correct the path, the file, or --splits-format.",
    )


def stem_of(name: str) -> str:
    """Return the name of a recording without folders and the ending of an audio file."""
    path = PurePosixPath(name.replace("\\", "/"))
    endings = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".mp4", ".opus", ".sph", ".aiff")
    return path.stem if path.suffix.lower() in endings else path.name


FORMS: Mapping[str, Callable[[Path], list[NamedFold]]] = {
    "emobox": _emobox,
    "emo-superb": _emo_superb,
    "superb": _superb,
    "msp-podcast": _msp_podcast,
    "meld": _meld,
}
"""Readers, by the name of their form."""
