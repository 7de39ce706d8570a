"""Who is in train, dev and test. Deterministic in the seed and free of the input's order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from tokser.errors import InputError, SettingsError, list_some

__all__ = ["PROTOCOLS", "Split", "make_splits"]

PROTOCOLS = ("report", "speaker")
_MANY_SPEAKERS = 8
"""From this many speakers on, two of them make the dev part."""


@dataclass(frozen=True)
class Split:
    """Ids of the three parts.

    Attributes:
        fold: What is in the test part: a speaker, a session, or `random`.
    """

    fold: str
    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]


def make_splits(protocol: str, utterances: pd.DataFrame, *, seed: int) -> list[Split]:
    """Cut labelled utterances into folds.

    Args:
        protocol: `report`: stratified random 70:20:10, one fold, which shares speakers and
            sentences between its parts. `speaker`: leave one session out where there are
            sessions, else one speaker; dev is the next session, or the next one or two speakers.
        utterances: Columns `label`, `speaker`, `session`; index = id.
        seed: Decides the random split.

    Raises:
        SettingsError: There is no such protocol.
        InputError: Labels are missing, or there are too few classes, members or groups.

    Source: report, section 4.3 (`report`). Departs: `speaker` is not in the report.
    """
    table = utterances.sort_index()
    _check_labels(table)
    if protocol == "report":
        return [_random_split(table, seed)]
    if protocol == "speaker":
        return _leave_group_out(table)
    raise SettingsError(
        "--protocol",
        expected=f"one of {', '.join(PROTOCOLS)}",
        got=repr(protocol),
        remedy="Name one of these.",
    )


def _random_split(table: pd.DataFrame, seed: int) -> Split:
    counts = table["label"].value_counts()
    rare = [f"{label} ({count})" for label, count in counts.items() if count < 10]
    if rare:
        raise InputError(
            "protocol report",
            expected="at least 10 utterances of every class for a stratified 70:20:10 split",
            got=list_some(rare),
            remedy="Leave the rare classes out, or use the protocol `speaker`.",
        )
    num_test, num_dev = -(-len(table) // 10), round(len(table) * 0.2)
    rest, test = _draw(list(table.index), table["label"], num_test, seed)
    train, dev = _draw(rest, table["label"], num_dev, seed)
    return Split("random", tuple(sorted(train)), tuple(sorted(dev)), tuple(sorted(test)))


def _draw(
    ids: Sequence[str], labels: "pd.Series[str]", count: int, seed: int
) -> tuple[list[str], list[str]]:
    rest, drawn = train_test_split(
        list(ids), test_size=count, stratify=labels.loc[list(ids)], random_state=seed
    )
    return rest, drawn


def _leave_group_out(table: pd.DataFrame) -> list[Split]:
    by = "session" if table["session"].ne("").all() else "speaker"
    groups = sorted(table[by].unique())
    unknown = list(table.index[table[by].eq("")])
    if len(groups) < 3 or unknown:
        raise InputError(
            "protocol speaker",
            expected=f"at least 3 values of `{by}`, for train, dev and test, and none unknown",
            got=f"utterances without one: {list_some(unknown)}"
            if unknown
            else f"{len(groups)} ({list_some(groups)})",
            remedy="Complete the manifest, or use the protocol `report`.",
        )
    num_dev = 2 if by == "speaker" and len(groups) >= _MANY_SPEAKERS else 1
    ids = table.index.to_numpy()
    splits = []
    for number, test_group in enumerate(groups):
        dev_groups = [groups[(number + i) % len(groups)] for i in range(1, num_dev + 1)]
        is_test = (table[by] == test_group).to_numpy()
        is_dev = table[by].isin(dev_groups).to_numpy()
        parts = (ids[~is_test & ~is_dev], ids[is_dev], ids[is_test])
        train, dev, test = (tuple(str(name) for name in np.sort(part)) for part in parts)
        splits.append(Split(str(test_group), train, dev, test))
    return splits


def _check_labels(table: pd.DataFrame) -> None:
    unlabelled = list(table.index[table["label"].eq("") | table["label"].isna()])
    if unlabelled:
        raise InputError(
            "labels",
            expected="a label for every utterance",
            got=f"none for {list_some(unlabelled)}",
            remedy="Classify a corpus with emotion labels (EmoDB, IEMOCAP).",
        )
    classes = sorted(table["label"].unique())
    if len(classes) < 2:
        raise InputError(
            "labels",
            expected="at least two classes",
            got=list_some(classes) or "no utterance at all",
            remedy="Complete the manifest.",
        )
