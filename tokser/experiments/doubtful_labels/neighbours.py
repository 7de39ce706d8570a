"""What the nearest neighbours of an utterance are labelled."""

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int, Shaped

from tokser.errors import InputError
from tokser.experiments.doubtful_labels.evidence import NeighbourCounts, OutOfFold
from tokser.experiments.feature_expressions import Early
from tokser.functionals.rounding import read_with_rounding
from tokser.functionals.standardise import Standardiser
from tokser.store import Store

__all__ = ["count_neighbours", "nearest"]

_AT_ONCE = 512
"""Rows of similarities in memory."""


def count_neighbours(
    store: Store,
    predicted: OutOfFold,
    features: tuple[Early, ...],
    *,
    num_neighbours: int,
    other_speakers: bool,
) -> NeighbourCounts:
    """Count the labels of each utterance's nearest neighbours by cosine of standardised features.

    Args:
        store: Where functionals come from.
        predicted: Utterances, labels and classes.
        features: Pooled features; several stand side by side.
        num_neighbours: How many.
        other_speakers: Whether they are utterances of other speakers only; who is unknown counts
            as somebody else each time.

    Raises:
        InputError: There are fewer utterances than neighbours.
    """
    ids = predicted.labels.index
    values = np.concatenate([_standardised(store, early, ids) for early in features], axis=1)
    codes = np.searchsorted(predicted.classes, predicted.labels.to_numpy(dtype=str))
    speakers = store.utterances["speaker"].loc[ids]
    named = speakers.where(speakers.ne(""), ids.to_series()).to_numpy()
    groups = named if other_speakers else ids.to_numpy()
    _require_enough(groups, num_neighbours, store.path, other_speakers=other_speakers)
    places = nearest(values, groups, num_neighbours)
    size = len(predicted.classes)
    counts = (codes[places][:, :, None] == np.arange(size)).sum(axis=1)
    table = pd.DataFrame(counts, index=ids, columns=list(predicted.classes))
    names = dict.fromkeys(n for early in features for term in early.terms for n in term.features)
    expression = " + ".join(map(str, features))
    return NeighbourCounts(table, expression, tuple(names), other_speakers)


def nearest(
    values: Float32[np.ndarray, "utterances dim"],
    groups: Shaped[np.ndarray, " utterances"],
    number: int,
) -> Int[np.ndarray, "utterances neighbours"]:
    """Return the places of the nearest utterances of other groups, the nearest first.

    Args:
        values: What cosines are taken of.
        groups: Of each utterance, the speaker for instance.
        number: Neighbours of each.
    """
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    unit = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
    _, own = np.unique(groups, return_inverse=True)
    found = []
    for first in range(0, len(unit), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        similar = unit[rows] @ unit.T
        similar[own[rows, None] == own[None]] = -np.inf
        places = np.argpartition(-similar, number - 1, axis=1)[:, :number]
        order = np.argsort(-np.take_along_axis(similar, places, axis=1), axis=1, kind="stable")
        found.append(np.take_along_axis(places, order, axis=1))
    return np.concatenate(found)


def _standardised(
    store: Store, early: Early, ids: "pd.Index[str]"
) -> Float32[np.ndarray, "utterances dim"]:
    """Scale a sum of features over all utterances: no label is used."""
    parts = []
    for term in early.terms:
        for name in term.features:
            read = read_with_rounding(store, name, term.functionals)
            table, rounding = (own.loc[ids].to_numpy() for own in read)
            parts.append(Standardiser.fit(table, rounding).apply(table))
    return np.concatenate(parts, axis=1)


def _require_enough(groups: np.ndarray, number: int, where: str, *, other_speakers: bool) -> None:
    _, sizes = np.unique(groups, return_counts=True)
    least = len(groups) - int(sizes.max())
    if least < number:
        what = "of other speakers for each one" if other_speakers else "beside each one"
        more = ", or those of all speakers with --neighbours-from all" if other_speakers else ""
        raise InputError(
            f"--neighbours {number}, {where}",
            expected=f"at least as many utterances {what}",
            got=str(least),
            remedy=f"Ask for fewer{more}.",
        )
