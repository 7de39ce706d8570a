"""Who is in train, dev and test. Deterministic in the seed and free of the input's order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokser.errors import InputError, SettingsError, list_some
from tokser.experiments.classification import Classification
from tokser.experiments.splits.sentences import sentences_of
from tokser.experiments.task import Task
from tokser.progress import say

__all__ = ["PROTOCOLS", "Split", "follows_seed", "make_splits"]

PROTOCOLS = ("random", "speaker", "fixed", "text", "kfold")
_CLASSES: Task = Classification()
_LEAST_RANDOM = 10
"""Utterances of which 70:20:10 leaves at least one in each part."""
_MANY_SPEAKERS = 8
"""From this many speakers on, two of them make the dev part."""
_FIXED: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "speaker": (("3", "8", "9", "10"), ("11", "13"), ("12", "14", "15", "16")),
    "session": (("1", "2", "3"), ("4",), ("5",)),
}
"""Train, dev and test of the fixed splits: EmoDB by speaker, IEMOCAP by session."""


@dataclass(frozen=True)
class Split:
    """Ids of the three parts.

    Attributes:
        fold: What is in the test part: a speaker, a session, or `random`.
        dev_drawn: How dev was drawn from train, for a fold that names none: `speaker` (whole
            speakers) or `random`; empty where dev was given.
    """

    fold: str
    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]
    dev_drawn: str = ""


def make_splits(
    protocol: str,
    utterances: pd.DataFrame,
    *,
    seed: int,
    num_folds: int = 5,
    group_by: str = "speaker",
    stratify: bool = True,
    task: Task = _CLASSES,
) -> list[Split]:
    """Cut usable utterances into folds.

    No part of a fold shares speakers with another, outside `random` and `kfold` by sentence.

    Args:
        protocol: `random`: 70:20:10 at random, one fold, which shares speakers and
            sentences between its parts. `speaker`: leave one session out where there are
            sessions, else one speaker; dev is the next session, or the next one or two speakers.
            `fixed`: EmoDB trains on speakers 3 8 9 10, selects on 11 13, tests 12 14 15 16; IEMOCAP
            trains on sessions 1 to 3, selects on 4, tests 5. `text`: as `speaker`, and twice, so
            that test has one half of the sentences, train and dev the other. `kfold`: whole
            groups dealt into `num_folds`, each tested once, the next one dev.
        utterances: Columns `label`, `speaker`, `session`, `transcript` or `sentence`; index = id.
        seed: Decides `random` and `kfold`.
        num_folds: Of `kfold`.
        group_by: What `kfold` keeps together: `speaker`, `session` or `sentence`.
        stratify: Whether each part of `random` has its share of every class.
        task: Where it has classes, nobody may lack one, and there are two at least; where it has
            none, labels only stratify, as far as there are enough of each.

    Raises:
        SettingsError: There is no such protocol.
        InputError: Labels are missing, or there are too few classes, members or groups.

    Source: paper, section 4.3 (`random`). Departs: it is stratified unless told otherwise, which
        the paper's was not; the others are not in the paper.
    """
    table = utterances.sort_index()
    # Ids as plain objects: thousands of folds share them instead of holding copies.
    table.index = table.index.astype(object)
    _check_labels(task.labels(table))
    if protocol == "random":
        return [_random_split(table, seed, _strata(table, task) if stratify else None)]
    if protocol == "speaker":
        return _leave_group_out(table)
    if protocol == "fixed":
        return [_fixed_split(table)]
    if protocol == "text":
        return _leave_group_and_sentences_out(table)
    if protocol == "kfold":
        return _deal_groups(table, seed, num_folds, group_by)
    raise SettingsError(
        "--protocol",
        expected=f"one of {', '.join(PROTOCOLS)}",
        got=repr(protocol),
        remedy="Name one of these.",
    )


def follows_seed(protocol: str) -> bool:
    """Tell whether another seed gives other splits."""
    return protocol in ("random", "kfold")


def _strata(table: pd.DataFrame, task: Task) -> "pd.Series[str] | None":
    """Return what the random split is stratified by; None: nothing.

    Without classes to predict, labels that too few utterances have are no reason to refuse.
    """
    labels = task.labels(table)
    counts = table["label"].value_counts()
    rare = [f"{label or 'no label'} ({n})" for label, n in counts.items() if n < _LEAST_RANDOM]
    if rare and labels is None:
        say(f"protocol random: not stratified by label, for there are {list_some(rare)}")
        return None
    if rare:
        raise InputError(
            "protocol random",
            expected="at least 10 utterances of every class for a stratified 70:20:10 split",
            got=list_some(rare),
            remedy="Leave the rare classes out, draw with --no-stratify, or use the protocol "
            "`speaker`.",
        )
    return table["label"]


def _random_split(table: pd.DataFrame, seed: int, labels: "pd.Series[str] | None") -> Split:
    if len(table) < _LEAST_RANDOM:
        raise InputError(
            "protocol random",
            expected=f"at least {_LEAST_RANDOM} utterances for a 70:20:10 split",
            got=str(len(table)),
            remedy="Give splits of your own with --splits.",
        )
    num_test, num_dev = -(-len(table) // 10), round(len(table) * 0.2)
    rest, test = _draw(list(table.index), labels, num_test, seed)
    train, dev = _draw(rest, labels, num_dev, seed)
    return Split("random", tuple(sorted(train)), tuple(sorted(dev)), tuple(sorted(test)))


def _draw(
    ids: Sequence[str], labels: "pd.Series[str] | None", count: int, seed: int
) -> tuple[list[str], list[str]]:
    from sklearn.model_selection import train_test_split  # imports all of scipy

    strata = None if labels is None else labels.loc[list(ids)]
    rest, drawn = train_test_split(list(ids), test_size=count, stratify=strata, random_state=seed)
    return rest, drawn


def _leave_group_out(table: pd.DataFrame) -> list[Split]:
    values, groups = _groups(table, "speaker", _apart(table), least=3)
    return [
        _cut(table, group, values.isin(dev), values.eq(group))
        for group, dev in _in_turn(values.name, groups)
    ]


def _leave_group_and_sentences_out(table: pd.DataFrame) -> list[Split]:
    values, groups = _groups(table, "text", _apart(table), least=3)
    said, sentences = _groups(table, "text", sentences_of(table), least=2)
    halves = {"a": said.isin(sentences[::2]), "b": said.isin(sentences[1::2])}
    splits, bare = [], table[[]]
    for group, dev in _in_turn(values.name, groups):
        is_group, is_dev = values.eq(group), values.isin(dev)
        for name, is_half in halves.items():
            if (is_group & is_half).any():
                is_used = is_half == is_group
                fold = f"{group}-{name}"
                splits.append(_cut(bare[is_used], fold, is_dev[is_used], is_group[is_used]))
    return splits


def _fixed_split(table: pd.DataFrame) -> Split:
    values = _apart(table)
    plain = values.str.lstrip("0")
    parts = _FIXED[str(values.name)]
    groups = sorted((group for part in parts for group in part), key=int)
    missing = [group for group in groups if group not in set(plain)]
    foreign = sorted(set(plain) - set(groups))
    if missing or foreign:
        raise InputError(
            "protocol fixed",
            expected=f"the values {list_some(groups, most=10)} of `{values.name}`: the fixed split "
            "is that of EmoDB's speakers or IEMOCAP's sessions",
            got=f"{list_some(foreign) or 'none'} beside them, "
            f"{list_some(missing) or 'none'} missing",
            remedy="Use another protocol, or give splits of your own with --splits.",
        )
    return _cut(table, "fixed", plain.isin(parts[1]), plain.isin(parts[2]))


def _deal_groups(table: pd.DataFrame, seed: int, num_folds: int, group_by: str) -> list[Split]:
    if group_by not in ("speaker", "session", "sentence"):
        raise SettingsError(
            "--group-by",
            expected="speaker, session or sentence",
            got=repr(group_by),
            remedy="Name one of these.",
        )
    column = sentences_of(table) if group_by == "sentence" else table[group_by]
    values, groups = _groups(table, "kfold", column, least=max(3, num_folds))
    dealt = np.array_split(np.random.default_rng(seed).permutation(groups), max(3, num_folds))
    return [
        _cut(
            table,
            f"fold-{number + 1}",
            values.isin(dealt[(number + 1) % len(dealt)]),
            values.isin(test),
        )
        for number, test in enumerate(dealt)
    ]


def _apart(table: pd.DataFrame) -> "pd.Series[str]":
    """Return what is left out in turn: the session where there are sessions, else the speaker."""
    return table["session" if table["session"].ne("").all() else "speaker"]


def _groups(
    table: pd.DataFrame, protocol: str, values: "pd.Series[str]", *, least: int
) -> tuple["pd.Series[str]", list[str]]:
    """Return values and their kinds, of which there are at least so many, and none unknown."""
    groups = sorted(values.unique())
    unknown = list(table.index[values.eq("")])
    if len(groups) < least or unknown:
        raise InputError(
            f"protocol {protocol}",
            expected=f"at least {least} values of `{values.name}`, for train, dev and test, "
            "and none unknown",
            got=f"utterances without one: {list_some(unknown)}"
            if unknown
            else f"{len(groups)} ({list_some(groups)})",
            remedy="Complete the manifest, or use the protocol `random`.",
        )
    return values.astype(object), groups


def _in_turn(kind: object, groups: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Pair each group with those that are its dev part."""
    num_dev = 2 if kind == "speaker" and len(groups) >= _MANY_SPEAKERS else 1
    return [
        (group, [groups[(number + i) % len(groups)] for i in range(1, num_dev + 1)])
        for number, group in enumerate(groups)
    ]


def _cut(
    table: pd.DataFrame, fold: str, is_dev: "pd.Series[bool]", is_test: "pd.Series[bool]"
) -> Split:
    """Make a fold of all utterances of a table; what is neither dev nor test is train."""
    train, dev, test = (
        tuple(table.index[which].tolist()) for which in (~is_dev & ~is_test, is_dev, is_test)
    )
    return Split(str(fold), train, dev, test)


def _check_labels(labels: "pd.Series[str] | None") -> None:
    """Refuse labels that are missing, or all alike, where they are predicted."""
    if labels is None:
        return
    unlabelled = list(labels.index[labels.eq("") | labels.isna()])
    if unlabelled:
        raise InputError(
            "labels",
            expected="a label for every utterance",
            got=f"none for {list_some(unlabelled)}",
            remedy="Classify a corpus with emotion labels (EmoDB, IEMOCAP).",
        )
    classes = sorted(labels.unique())
    if len(classes) < 2:
        raise InputError(
            "labels",
            expected="at least two classes",
            got=list_some(classes) or "no utterance at all",
            remedy="Complete the manifest.",
        )
