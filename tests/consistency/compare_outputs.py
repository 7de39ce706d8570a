"""Compare two output folders: `python tests/consistency/compare_outputs.py BEFORE AFTER`.

Tables (CSV, Parquet) must hold the same values to the last bit, whatever the order of their rows
and columns; stores and other binary files the same bytes, checkpoints the same tensors, JSON the
same content. Names that were changed on purpose are equal, such as `report`, `random` and `paper`.
Columns and files that only AFTER has are listed, and are no difference. Not compared: what says
when, where and with which versions something was made. Exits with 1, and the first differences,
where there are any.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import load_file

SAME_NAMES = {"random": "report", "paper": "report"}
"""Names of today, and the one that stood for them."""
SAME_WORDS = {"mismatched": "shuffled", "monotonicity": "diagonality"}
"""The same of words within names of columns."""
PLACES = ("out", "store", "root", "source", "digest", "versions")
"""Keys of JSON that say where something lies, or sum up what does."""
NOT_COMPARED = (
    *("SHA256SUMS", "begun.json", "provenance.json", "ledger.jsonl", ".lock", ".html", ".log"),
    *("events.out.tfevents", "hparams.yaml", "parts/", "journal/"),
)
MOST = 20
"""Differences that are printed."""


def renamed(value: Any) -> Any:
    """Write names of today as what they were called, also as keys; leave places out."""
    if isinstance(value, dict):
        return {renamed(key): renamed(v) for key, v in value.items() if key not in PLACES}
    if isinstance(value, list):
        return [renamed(inner) for inner in value]
    if not isinstance(value, str):
        return value
    return "_".join(SAME_WORDS.get(word, word) for word in SAME_NAMES.get(value, value).split("_"))


def read_table(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table.map(renamed).rename(columns=renamed)


def compare_tables(before: Path, after: Path) -> Iterator[str]:
    old, new = read_table(before), read_table(after)
    lost = [column for column in old if column not in new]
    if lost or len(old) != len(new):
        yield f"{len(old)} rows, now {len(new)}; columns lost: {lost}"
        return
    more = [column for column in new if column not in old]
    if more:
        print(f"note: {after}: new columns {more}")
    old, new = (table[sorted(old)].map(exact) for table in (old, new))
    old, new = (table.sort_values(list(table), ignore_index=True) for table in (old, new))
    for column in old:
        differ = np.flatnonzero((old[column] != new[column]).to_numpy())
        if len(differ):
            row = differ[0]
            yield f"{column}: {len(differ)} rows, {old[column][row]} now {new[column][row]}"


def exact(value: Any) -> str:
    """Write a value so that two are equal if their bits are; whole numbers have one form."""
    if isinstance(value, float | np.floating):
        return float(value).hex()
    try:
        return float(value).hex()
    except (TypeError, ValueError):
        return "" if value is None or value is pd.NA else str(value)


def compare_json(before: Path, after: Path) -> Iterator[str]:
    old, new = (renamed(json.loads(path.read_text(encoding="utf-8"))) for path in (before, after))
    if old != new:
        yield "other content"


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".safetensors":
        return load_file(path)
    checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    parts = [checkpoint["state_dict"], *(s["state"] for s in checkpoint["optimizer_states"])]
    return {str(at): leaf.numpy() for at, leaf in leaves(parts) if isinstance(leaf, torch.Tensor)}


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if not isinstance(value, dict | list):
        yield at, value
        return
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield from leaves(one, (*at, key))


def compare_tensors(before: Path, after: Path) -> Iterator[str]:
    old, new = load_tensors(before), load_tensors(after)
    if old.keys() != new.keys():
        yield f"tensors {sorted(old.keys() ^ new.keys())} in one of them alone"
        return
    for name, tensor in old.items():
        if tensor.dtype != new[name].dtype or tensor.tobytes() != new[name].tobytes():
            yield f"tensor {name} differs"


def compare_bytes(before: Path, after: Path) -> Iterator[str]:
    if before.read_bytes() != after.read_bytes():
        yield "other bytes"


def how(name: str) -> Callable[[Path, Path], Iterator[str]]:
    if name.endswith((".csv", ".parquet")):
        return compare_tables
    if name.endswith((".safetensors", ".ckpt")):
        return compare_tensors
    return compare_json if name.endswith(".json") else compare_bytes


def differences(before: Path, after: Path) -> Iterator[str]:
    names, now = (
        {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        for folder in (before, after)
    )
    names, now = (
        {n for n in all_ if not any(p in n for p in NOT_COMPARED)} for all_ in (names, now)
    )
    for name in sorted(now - names):
        print(f"note: {name} is new")
    for name in sorted(names):
        if name not in now:
            yield f"{name}: gone"
            continue
        for difference in how(name)(before / name, after / name):
            yield f"{name}: {difference}"


def main() -> None:
    before, after = map(Path, sys.argv[1:])
    found = list(differences(before, after))
    for difference in found[:MOST]:
        print(difference)
    print(f"{len(found)} differences" if found else "the same")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
