"""The configurations that folders share, on the test utterances that all of them predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from tokser.errors import InputError, list_some
from tokser.report.inputs import Experiment

__all__ = ["Family", "System", "match"]

BEST = "chosen on dev"
"""What the best configuration of each folder is called."""


@dataclass(frozen=True)
class System:
    """Test predictions of one configuration of one folder.

    Attributes:
        label: Features and head.
        by_seed: Table of predictions by seed.
    """

    label: str
    by_seed: Mapping[int, pd.DataFrame]


@dataclass(frozen=True)
class Family:
    """What is compared under one protocol, for one target.

    Attributes:
        protocol: Its name.
        target: What is predicted; empty for the label.
        systems: By configuration (or `BEST`), then by folder; all of the same utterances.
        num_common: Test utterances of one seed that all of them predicted.
        num_test: Those that each folder predicted.
        problem: Why nothing is compared; empty where something is.
    """

    protocol: str
    target: str
    systems: Mapping[str, Mapping[str, System]]
    num_common: int = 0
    num_test: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""


def match(
    folders: Mapping[str, Experiment], best: Mapping[tuple[str, str, str], tuple[str, str]]
) -> list[Family]:
    """Pair the configurations of folders: same protocol, target, features and head.

    Args:
        folders: By name.
        best: Features and head that dev chose, by folder, protocol and target.

    Raises:
        InputError: Folders have other labels for the same utterance.
    """
    tested = {name: one.predictions for name, one in folders.items()}
    keys = [set(zip(t["protocol"], t["target"], strict=True)) for t in tested.values()]
    found = []
    for protocol, target in sorted(set.intersection(*keys)):
        tables = {
            name: t[(t["protocol"] == protocol) & (t["target"] == target)]
            for name, t in tested.items()
        }
        found.append(_family(protocol, target, tables, best))
    return found


def _family(
    protocol: str,
    target: str,
    tables: Mapping[str, pd.DataFrame],
    best: Mapping[tuple[str, str, str], tuple[str, str]],
) -> Family:
    systems: dict[str, dict[str, System]] = {}
    for name, table in tables.items():
        for (features, head), own in table.groupby(["features", "classifier"], sort=False):
            label = f"{features}, {head}"
            systems.setdefault(label, {})[name] = System(label, _by_seed(own))
    shared = {label: own for label, own in systems.items() if len(own) > 1}
    chosen = {
        name: systems[", ".join(best[name, protocol, target])][name]
        for name in tables
        if (name, protocol, target) in best
    }
    if len(chosen) > 1:
        shared[BEST] = chosen
    if not shared:
        return Family(
            protocol, target, {}, problem="no configuration in common, and dev chose none"
        )
    return _on_common(Family(protocol, target, shared))


def _by_seed(table: pd.DataFrame) -> dict[int, pd.DataFrame]:
    seeds = table["seed"].fillna(0).astype(int) if "seed" in table else pd.Series(0, table.index)
    return {int(str(seed)): own.set_index("id", drop=False) for seed, own in table.groupby(seeds)}


def _on_common(family: Family) -> Family:
    """Keep the test utterances that every system predicted, seed by seed where seeds move them."""
    every = [one for of_folders in family.systems.values() for one in of_folders.values()]
    num_test = {
        name: len(next(iter(own[name].by_seed.values())))
        for own in family.systems.values()
        for name in own
    }
    moves = any(_tests_differ(one) for one in every)
    seeds = set.intersection(*(set(one.by_seed) for one in every))
    if moves and not seeds:
        return Family(
            family.protocol, family.target, {}, num_test=num_test,
            problem="other seeds, whose test parts are other utterances",
        )  # fmt: skip

    def ids_at(kept: Sequence[int] | None) -> list[str]:
        sets = [
            set(table.index)
            for one in every
            for seed, table in one.by_seed.items()
            if kept is None or seed in kept
        ]
        return sorted(set.intersection(*sets))

    common = {seed: ids_at([seed]) for seed in sorted(seeds)} if moves else {}
    of_all = [] if moves else ids_at(None)
    number = min(map(len, common.values())) if moves else len(of_all)
    if not number:
        return Family(
            family.protocol, family.target, {}, num_test=num_test,
            problem="no test utterance that all of them predicted",
        )  # fmt: skip

    def cut(one: System) -> System:
        if moves:
            return System(one.label, {s: one.by_seed[s].loc[common[s]] for s in common})
        return System(one.label, {s: table.loc[of_all] for s, table in one.by_seed.items()})

    systems = {
        label: {name: cut(one) for name, one in own.items()}
        for label, own in family.systems.items()
    }
    _require_same_truth(family, systems)
    mean = round(sum(map(len, common.values())) / len(common)) if moves else number
    return Family(family.protocol, family.target, systems, mean, num_test)


def _tests_differ(one: System) -> bool:
    first, *others = (set(table.index) for table in one.by_seed.values())
    return any(other != first for other in others)


def _require_same_truth(family: Family, systems: Mapping[str, Mapping[str, System]]) -> None:
    """Refuse folders in which the same utterance has another label, or another number."""
    known: dict[str, pd.Series] = {}
    for own in systems.values():
        for name, one in own.items():
            for table in one.by_seed.values():
                truth = table["truth" if "truth" in table else "label"]
                known[name] = truth if name not in known else truth.combine_first(known[name])
    (first, reference), *others = known.items()
    for name, truth in others:
        both = truth.index.intersection(reference.index)
        unlike = both[truth.loc[both].to_numpy() != reference.loc[both].to_numpy()]
        if len(unlike):
            examples = [f"{i}: {reference[i]}, {truth[i]}" for i in unlike[:3]]
            raise InputError(
                f"{first}, {name}, {family.protocol}",
                expected="the same label of every utterance in both",
                got=f"others for {len(unlike)} of {len(both)} ({list_some(examples)})",
                remedy="Compare results whose stores have the same labels.",
            )
