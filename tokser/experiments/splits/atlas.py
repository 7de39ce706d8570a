"""The leak atlas: which groups of utterances two parts of a fold share, for every pair of parts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tokser.experiments.splits.protocols import Split
from tokser.experiments.splits.sentences import sentences_of
from tokser.experiments.splits.sharing import FoldParts, Groups, Positions, parts_of

__all__ = ["leak_atlas"]

_PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))
_EXAMPLES = 5


def leak_atlas(
    plans: Mapping[str, Sequence[Split]],
    utterances: pd.DataFrame,
    recordings: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Compare every two parts of every fold by speakers, sessions, sentences and recordings.

    Args:
        plans: Folds by protocol.
        utterances: Columns `speaker`, `session`, `transcript`, and `sentence` where the corpus has
            fixed ones; index = id.
        recordings: Checksum of each recording, by id; without it nothing is said of them.

    Returns:
        The rows of `results.SHARED`: of each protocol, pair of parts and kind of group, what the
        fold shares that shares most. Kinds of which nothing is known in the corpus have no row.
    """
    values: dict[str, pd.Series[str]] = {
        "speakers": utterances["speaker"],
        "sessions": utterances["session"],
        "sentences": sentences_of(utterances),
    }
    if recordings is not None:
        digests = [recordings.get(str(name), "") for name in utterances.index]
        values["recordings"] = pd.Series(digests, index=utterances.index, dtype=object)
    known = {kind: Groups.of(own) for kind, own in values.items() if own.ne("").any()}
    rows: list[dict[str, Any]] = []
    for protocol, splits in plans.items():
        folds = parts_of(splits, list(utterances.index))
        for kind, groups in known.items():
            rows += _rows(protocol, kind, groups, folds, utterances.index)
    return rows


def _rows(
    protocol: str,
    kind: str,
    groups: Groups,
    folds: Sequence[FoldParts],
    ids: "pd.Index[Any]",
) -> Iterator[dict[str, Any]]:
    for first, second in _PAIRS:
        best: dict[str, Any] | None = None
        sharing = 0
        for fold in folds:
            found = _shared(groups, _part(fold, first, len(ids)), _part(fold, second, len(ids)))
            if found is None:
                continue
            sharing += bool(found["num_shared"])
            if best is None or found["num_shared"] > best["num_shared"]:
                codes = found.pop("codes")
                examples = _examples(kind, groups, codes, ids)
                best = {**found, "fold": fold.fold, "examples": examples}
        if best is not None:
            key = {"protocol": protocol, "kind": kind, "first": first, "second": second}
            yield key | {"num_folds": len(folds), "num_folds_sharing": sharing} | best


def _shared(groups: Groups, first: Positions, second: Positions) -> dict[str, Any] | None:
    """Count what two parts share; None where one of them is empty."""
    if not len(first) or not len(second):
        return None
    (ours, _), (theirs, counts) = groups.counts(first), groups.counts(second)
    both = np.isin(theirs, ours)
    return {
        "codes": theirs[both],
        "num_shared": int(both.sum()),
        "num_first": len(ours),
        "num_second": len(theirs),
        "num_utterances": int(counts[both].sum()),
        "num_unknown": int((groups.codes[np.concatenate([first, second])] < 0).sum()),
    }


def _part(fold: FoldParts, name: str, number: int) -> Positions:
    """Return the positions of a part; train may be all that is in no other."""
    if name != "train" or fold.train is not None:
        found: Positions = getattr(fold, name)
        return found
    is_train = np.ones(number, dtype=bool)
    is_train[fold.dev] = False
    is_train[fold.test] = False
    return np.flatnonzero(is_train)


def _examples(kind: str, groups: Groups, codes: Positions, ids: "pd.Index[Any]") -> str:
    """Name some shared groups; recordings by the utterances that they are."""
    shown = codes[:_EXAMPLES].tolist()
    if kind != "recordings":
        return ", ".join(str(groups.names[code]) for code in shown)
    return ", ".join(" = ".join(map(str, ids[groups.codes == code])) for code in shown)
