"""Splits as a file of ids, which others can read, and use again."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokser.config.base import FORMER_PROTOCOLS
from tokser.errors import InputError, MissingInputError, list_some
from tokser.experiments.splits.protocols import Split

__all__ = ["SplitPlan", "format_splits", "read_splits"]

_PARTS = ("train", "dev", "test")
_KEYS = ("fold", "train", "test")
_OPTIONAL_KEYS = ("dev", "seed", "dev_drawn")
_MOST_FAULTS = 12


@dataclass(frozen=True)
class SplitPlan:
    """The folds of one protocol, for every seed.

    Attributes:
        by_seed: Folds of each seed; under None those that hold for every seed.
    """

    by_seed: Mapping[int | None, tuple[Split, ...]]

    @property
    def follows_seed(self) -> bool:
        """Whether another seed has other folds."""
        return None not in self.by_seed

    def folds(self, seed: int) -> tuple[Split, ...]:
        """Return the folds of a seed; none where the plan has none for it."""
        return self.by_seed.get(seed, self.by_seed.get(None, ()))

    def every_fold(self) -> list[Split]:
        """Return the folds of all seeds, one after the other."""
        return [split for folds in self.by_seed.values() for split in folds]


def format_splits(plans: Mapping[str, SplitPlan]) -> str:
    """Write splits as JSON: `{protocol: [{"fold", "train", "dev", "test"}, ...]}`.

    A fold of only one seed also has `seed`, one whose dev was drawn from train
    `dev_drawn`; one without dev has no `dev`.
    """
    optional = ("dev", "dev_drawn")
    content = {
        protocol: [
            ({} if seed is None else {"seed": seed})
            | {key: value for key, value in vars(split).items() if value or key not in optional}
            for seed, folds in plan.by_seed.items()
            for split in folds
        ]
        for protocol, plan in plans.items()
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_splits(path: Path, known: Sequence[str]) -> dict[str, SplitPlan]:
    """Read what `format_splits` wrote, or somebody else in that form.

    Args:
        path: The JSON file.
        known: Ids of the utterances that there are.

    Returns:
        A plan for each protocol that the file names; its names are free, and `report`, as earlier
        versions wrote, is `random`. `dev` may be absent or
        empty, for `draw_dev` to fill.

    Raises:
        MissingInputError: There is no such file.
        InputError: It has another form, names ids that are unknown, or has an id in two parts of a
            fold; all faults are named.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingInputError(
            path, expected="a file of splits", got="nothing", remedy="Correct the path."
        ) from error
    except (ValueError, OSError, RecursionError) as error:
        raise _wrong(path, [f"no JSON in UTF-8 ({error})"]) from error
    if not isinstance(content, dict) or not content:
        raise _wrong(path, ["no protocol by name"])
    ids, faults = frozenset(known), list[str]()
    twice = [name for name, now in FORMER_PROTOCOLS.items() if {name, now} <= content.keys()]
    faults += [f"{name} and {FORMER_PROTOCOLS[name]}, which are one protocol" for name in twice]
    plans = {
        str(FORMER_PROTOCOLS.get(name, name)): _read_plan(name, folds, ids, faults)
        for name, folds in content.items()
    }
    if faults:
        raise _wrong(path, faults)
    return plans


def _read_plan(name: str, folds: Any, known: frozenset[str], faults: list[str]) -> SplitPlan:
    if not isinstance(folds, list) or not folds:
        faults.append(f"{name}: no list of folds")
        return SplitPlan({})
    by_seed: dict[int | None, list[Split]] = {}
    for number, fold in enumerate(folds):
        seed = fold.get("seed") if isinstance(fold, dict) else None
        split = _read_fold(f"{name}, fold {number}", fold, known, faults)
        if split is not None:
            by_seed.setdefault(seed, []).append(split)
    if None in by_seed and len(by_seed) > 1:
        faults.append(f"{name}: some folds have a seed, others have none")
    for seed, found in by_seed.items():
        names = [split.fold for split in found]
        twice = sorted({fold for fold in names if names.count(fold) > 1})
        if twice:
            of_seed = "" if seed is None else f" of seed {seed}"
            faults.append(f"{name}: fold {list_some(twice)}{of_seed} twice")
    return SplitPlan({seed: tuple(found) for seed, found in by_seed.items()})


def _read_fold(where: str, fold: Any, known: frozenset[str], faults: list[str]) -> Split | None:
    fault = _fault_of_form(fold)
    if fault:
        faults.append(f"{where}: {fault}")
        return None
    parts = {part: fold.get(part, []) for part in _PARTS}
    before = len(faults)
    seen: dict[str, str] = {}
    for part, ids in parts.items():
        is_empty = ids == [] and part != "dev"
        if not isinstance(ids, list) or is_empty or not all(isinstance(i, str) for i in ids):
            faults.append(f"{where}: `{part}` is no list of ids")
            continue
        unknown = sorted(set(ids) - known)
        if unknown:
            faults.append(f"{where}: unknown ids in {part}: {list_some(unknown)}")
        counts = Counter(ids)
        doubled = sorted({i for i in ids if i in seen} | {i for i in ids if counts[i] > 1})
        if doubled:
            faults.append(f"{where}: in {part} and once more: {list_some(doubled)}")
        seen |= dict.fromkeys(ids, part)
    if len(faults) > before:
        return None
    train, dev, test = (tuple(sorted(ids)) for ids in parts.values())
    return Split(fold["fold"], train, dev, test, fold.get("dev_drawn", ""))


def _fault_of_form(fold: Any) -> str:
    """Name the fault in the keys of a fold; "" where there is none."""
    if not isinstance(fold, dict):
        return f"{type(fold).__name__} instead of an object"
    missing = [f"no `{key}`" for key in _KEYS if key not in fold]
    foreign = [f"unknown key {key!r}" for key in fold if key not in (*_KEYS, *_OPTIONAL_KEYS)]
    if missing or foreign:
        return ", ".join([*missing, *foreign])
    if type(fold.get("seed", 0)) is not int or not isinstance(fold["fold"], str):
        return "`seed` is no whole number, or `fold` no text"
    drawn = fold.get("dev_drawn", "random")
    if drawn not in ("speaker", "random") or ("dev_drawn" in fold and not fold.get("dev")):
        return "`dev_drawn` is neither `speaker` nor `random`, or there is no `dev` beside it"
    return ""


def _wrong(path: Path, faults: Sequence[str]) -> InputError:
    return InputError(
        path,
        expected='{"NAME": [{"fold": "…", "train": [ids], "dev": [ids], "test": [ids]}, …]}, '
        "where `dev` may be absent",
        got=list_some(faults, most=_MOST_FAULTS),
        remedy="Correct the named places; `splits.json` of any results folder shows the form.",
    )
