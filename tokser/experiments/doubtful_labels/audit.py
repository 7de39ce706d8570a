"""All evidence about labels together: one score, one rank, and who flags what."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from tokser.experiments.classification import PROBABILITY
from tokser.experiments.doubtful_labels.confident import ConfidentLearning, learn_confidently
from tokser.experiments.doubtful_labels.evidence import (
    AnnotatorShares,
    NeighbourCounts,
    OutOfFold,
)
from tokser.experiments.doubtful_labels.table import DOUBTFUL, LABEL_NOISE

__all__ = ["LabelAudit", "audit_labels"]

_LEAST = 1e-6
"""A probability below this counts as this: no class is ruled out."""
_LEAD = 0.2
"""Share of the neighbours by which another class must lead the label, to flag it."""
_UNKNOWN_NUMBER = 10.0
"""Annotators that are assumed where their number is not known."""
_RECOGNISED = 0.5
"""Share of listeners below which an emotion is flagged as not recognised."""


@dataclass(frozen=True)
class LabelAudit:
    """Which labels are doubtful.

    Attributes:
        doubtful: `doubtful.csv`: every utterance, the most doubtful label first.
        noise: `label-noise.csv`: how often which label stands for which other class.
        model: What the probabilities come from, in words.
        neighbours: What neighbours were found by, in words.
        features: The features of the store that neighbours were found by.
    """

    doubtful: pd.DataFrame
    noise: pd.DataFrame
    model: str
    neighbours: str
    features: tuple[str, ...]

    @property
    def expected_errors(self) -> float:
        """Estimated number of wrong labels, errors of the model included."""
        return float(self.noise["expected_errors"].sum())

    @property
    def num_flagged(self) -> dict[str, int]:
        """How many utterances each source flags, and how many two of them or more."""
        by = self.doubtful["flagged_by"]
        sources = ("model", "neighbours", "annotators")
        counts = {name: int(by.str.contains(name).sum()) for name in sources}
        if self.doubtful["annotators_share"].isna().all():
            del counts["annotators"]
        return counts | {"two or more": int(self.doubtful["num_flags"].ge(2).sum())}


def audit_labels(
    predicted: OutOfFold,
    neighbours: NeighbourCounts,
    annotators: AnnotatorShares | None,
    utterances: pd.DataFrame,
) -> LabelAudit:
    """Rank labels by how little supports them.

    The support of class c is the product of what the model, the neighbours and the annotators give
    it, scaled to sum to 1 over the classes:

        support(c) ~ p(c) * (k_c + 1) / (k + K) * (n s_c + 1 / K) / (n + 1)

    with the probability p, k_c of k neighbours, and the share s_c of n annotators; K classes. The
    score of an utterance is the support of its label, and the class of largest support is
    suggested.

    Args:
        predicted: Probabilities, out of fold.
        neighbours: Labels of neighbours.
        annotators: Shares of annotators, of the same utterances; None: there are none.
        utterances: Columns speaker and path, index = id.

    Raises:
        MissingPackageError: cleanlab is not installed.
    """
    classes = np.asarray(predicted.classes, dtype=object)
    ids = predicted.labels.index
    codes = np.searchsorted(predicted.classes, predicted.labels.to_numpy(dtype=str))
    rows = np.arange(len(ids))
    probabilities = predicted.probabilities.to_numpy(dtype=np.float64)
    confident = learn_confidently(codes, probabilities)
    counts = neighbours.counts.loc[ids].to_numpy(dtype=np.float64)
    support = _support(probabilities, counts, annotators)
    shares = counts / counts.sum(axis=1, keepdims=True)
    flags = {
        "model": confident.is_flagged,
        "neighbours": shares.max(axis=1) > shares[rows, codes] + _LEAD,
        "annotators": _flagged_by_annotators(annotators, len(ids)),
    }
    own = pd.DataFrame(
        {
            "id": ids,
            "label": classes[codes],
            "suggested_label": classes[support.argmax(axis=1)],
            "support": support[rows, codes],
            "flagged_by": _joined(flags),
            "num_flags": sum(flag.astype(int) for flag in flags.values()),
            "self_confidence": probabilities[rows, codes],
            "neighbours_share": shares[rows, codes],
            "neighbours_label": classes[shares.argmax(axis=1)],
            "annotators_share": np.nan if annotators is None else annotators.of_label.to_numpy(),
            "speaker": utterances["speaker"].loc[ids].to_numpy(),
            "path": utterances["path"].loc[ids].to_numpy(),
        }
    )
    noise = _noise(confident, codes, probabilities, predicted.classes)
    who = "of other speakers" if neighbours.are_others else "of all speakers"
    found_by = f"{int(counts[0].sum())} nearest utterances {who} by {neighbours.expression}"
    return LabelAudit(
        _ranked(own, predicted),
        LABEL_NOISE.frame(noise),
        predicted.model,
        found_by,
        neighbours.features,
    )


def _ranked(own: pd.DataFrame, predicted: OutOfFold) -> pd.DataFrame:
    """Return the table, the least support first, with a rank by each source and probabilities."""
    for column, by in _RANKED.items():
        own[column] = own[by].rank(method="min").astype("Int64")
    ordered = own.sort_values(["support", "self_confidence", "id"], ignore_index=True)
    ordered["rank"] = np.arange(1, len(ordered) + 1)
    probable = predicted.probabilities.add_prefix(PROBABILITY).loc[ordered["id"]]
    return DOUBTFUL.ordered(pd.concat([ordered, probable.reset_index(drop=True)], axis=1))


_RANKED = {
    "model_rank": "self_confidence",
    "neighbours_rank": "neighbours_share",
    "annotators_rank": "annotators_share",
}


def _support(
    probabilities: Float[np.ndarray, "utterances classes"],
    counts: Float[np.ndarray, "utterances classes"],
    said: AnnotatorShares | None,
) -> Float[np.ndarray, "utterances classes"]:
    size = counts.shape[1]
    total = np.log(np.maximum(probabilities, _LEAST))
    total += np.log((counts + 1) / (counts.sum(axis=1, keepdims=True) + size))
    if said is not None:
        known = said.of_label.notna().to_numpy()
        number = said.num_annotators.fillna(_UNKNOWN_NUMBER).to_numpy()[:, None]
        shares = said.shares.fillna(0.0).to_numpy()
        total[known] += np.log((number * shares + 1 / size) / (number + 1))[known]
    scaled = np.exp(total - total.max(axis=1, keepdims=True))
    found: np.ndarray = scaled / scaled.sum(axis=1, keepdims=True)
    return found


def _flagged_by_annotators(said: AnnotatorShares | None, number: int) -> np.ndarray:
    if said is None:
        return np.zeros(number, dtype=bool)
    own = said.of_label.to_numpy()
    if not said.are_complete:
        return np.asarray(own < _RECOGNISED)
    best = said.shares.to_numpy().max(axis=1)
    return np.asarray(~np.isnan(own) & (best > np.nan_to_num(own)))


def _joined(flags: dict[str, np.ndarray]) -> list[str]:
    names = list(flags)
    return [
        ", ".join(name for name, is_set in zip(names, row, strict=True) if is_set)
        for row in np.stack(list(flags.values()), axis=1)
    ]


def _noise(
    confident: ConfidentLearning,
    codes: np.ndarray,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
) -> list[dict[str, object]]:
    """Return a row for each pair of a label and another class, the most errors first."""
    expected = confident.joint * len(codes)
    likeliest = probabilities.argmax(axis=1)
    rows = []
    for i, j in np.argwhere(~np.eye(len(classes), dtype=bool)):
        is_label = codes == i
        flagged = confident.is_flagged & is_label & (likeliest == j)
        if is_label.any():
            rows.append(
                {
                    "label": classes[i],
                    "other": classes[j],
                    "expected_errors": float(expected[i, j]),
                    "share_of_label": float(np.clip(expected[i, j] / is_label.sum(), 0, 1)),
                    "num_flagged": int(flagged.sum()),
                    "num_label": int(is_label.sum()),
                }
            )
    return sorted(rows, key=lambda row: (-float(row["expected_errors"]), row["label"]))
