"""EmoBox's metadata: `data/<dataset>/<dataset>.jsonl`, and its folds (Ma et al. 2024)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokser.corpora.parts import END, START
from tokser.corpora.tables.json_lines import read_json_lines
from tokser.corpora.tables.records import Record
from tokser.errors import ManifestError, list_some

__all__ = ["find_folds", "read_emobox", "read_folds"]

_FOLD = re.compile(r"_(train|valid|test)_fold_?(\d+)$")
_PARTS = {"train": "train", "valid": "dev", "test": "test"}
"""What the parts of a fold are called in a file of splits."""
_TIMES = {"start_time": START, "end_time": END}
"""Of utterances that are parts of recordings."""
_NOT_KEPT = frozenset({"type", "task", "sample_rate", "num_frame", "length", "channel"})


def read_emobox(paths: Sequence[Path]) -> Iterator[Record]:
    """Read objects with `key`, `wav` and `emo`; `wav` is relative to the checkout of EmoBox.

    Files of folds may be given too. The column `fold` then says in which fold's test part an
    utterance is, and `part` in which part it is where the files are of one fold.

    Args:
        paths: The dataset's own file, or those of folds (`<dataset>_test_fold_1.jsonl`), or both.

    Raises:
        ManifestError: Lines are no JSON objects.

    Source:
        https://github.com/emo-box/EmoBox, README.
    """
    places = [_FOLD.search(path.stem) for path in paths]
    several = len({place[2] for place in places if place}) > 1
    merged: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {}
    for path, place in zip(paths, places, strict=True):
        for where, value in read_json_lines(path):
            key = str(value.get("key", where))
            _, first, split = merged.setdefault(key, (where, value, {}))
            first.update(value)
            if place and place[1] == "test":
                split["fold"] = place[2]
            if place and not several:
                split["part"] = place[1]
    for where, value, split in merged.values():
        cells = {
            _TIMES.get(name, name): str(cell)
            for name, cell in value.items()
            if name not in _NOT_KEPT and cell is not None
        }
        yield Record(where, cells | split, tuple(_faults_of(value)))


def find_folds(paths: Sequence[Path]) -> list[Path]:
    """Return the files of folds among `paths`, or else those beside a dataset's own file.

    EmoBox has them in `data/<dataset>/fold_<n>/<dataset>_<part>_fold_<n>.jsonl`.
    """
    given = [path for path in paths if _FOLD.search(path.stem)]
    if given:
        return given
    beside = (
        found
        for path in paths
        for folder in (path.parent, *path.parent.glob("fold*"))
        for found in folder.glob(f"{path.stem}_*.jsonl")
        if _FOLD.search(found.stem)
    )
    return sorted(set(beside))


def read_folds(paths: Sequence[Path]) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """Read who is in which part of which fold.

    Args:
        paths: Files of folds, at least `train` and `test` of each.

    Returns:
        By fold, in the order of their numbers: keys by part, `train`, `test`, and `dev` where a
        fold has a file of the part `valid`.

    Raises:
        ManifestError: Lines are no JSON objects or have no key, a fold lacks train or test, or a
            key is in two of its parts; all folds at fault are named.
    """
    folds: dict[str, dict[str, dict[str, None]]] = {}
    faults = []
    for path in paths:
        place = _FOLD.search(path.stem)
        assert place is not None  # `find_folds` looked
        part = folds.setdefault(place[2], {}).setdefault(_PARTS[place[1]], {})
        for where, value in read_json_lines(path):
            if value.get("key"):
                part[" ".join(str(value["key"]).split())] = None
            else:
                faults.append(f"{where}: no 'key'")
    for fold, parts in folds.items():
        faults += [
            f"fold {fold}: no {part} part" for part in ("train", "test") if part not in parts
        ]
        seen: set[str] = set()
        for name, keys in parts.items():
            twice = sorted(seen & keys.keys())
            if twice:
                faults.append(f"fold {fold}: in {name} and another part: {list_some(twice)}")
            seen |= keys.keys()
    if faults:
        raise ManifestError(
            ", ".join(dict.fromkeys(path.name for path in paths[:3])),
            expected="folds with a train and a test part that share no key",
            got=list_some(faults, most=20),
            remedy="Name all files of a fold with --table, or none of them: then those next to "
            "the dataset's own file are read.",
        )
    return {
        fold: {part: tuple(keys) for part, keys in folds[fold].items()}
        for fold in sorted(folds, key=int)
    }


def _faults_of(value: dict[str, Any]) -> Iterator[str]:
    yield from (f"no {name!r}" for name in ("key", "wav", "emo") if not value.get(name))
    if value.get("type", "raw") != "raw":
        yield f"type {value['type']!r} instead of 'raw' audio"
