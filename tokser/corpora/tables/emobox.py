"""EmoBox's metadata: `data/<dataset>/<dataset>.jsonl`, and its folds (Ma et al. 2024)."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tokser.corpora.tables.json_lines import read_json_lines
from tokser.corpora.tables.records import Record

__all__ = ["read_emobox"]

_FOLD = re.compile(r"_(train|valid|test)_fold_?(\d+)$")
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
            name: str(cell)
            for name, cell in value.items()
            if name not in _NOT_KEPT and cell is not None
        }
        yield Record(where, cells | split, tuple(_faults_of(value)))


def _faults_of(value: dict[str, Any]) -> Iterator[str]:
    yield from (f"no {name!r}" for name in ("key", "wav", "emo") if not value.get(name))
    if value.get("type", "raw") != "raw":
        yield f"type {value['type']!r} instead of 'raw' audio"
    if "start_time" in value or "end_time" in value:
        yield "a part of a recording (start_time, end_time); cut it into a file of its own"
