"""Predictions summed up by speaker and fold: all that resampling speakers needs of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from tokser.classify.metrics import ccc_from_sums, uar_from_confusion

__all__ = ["Tally", "joined", "mean_score", "tally_classes", "tally_numbers"]

_MOST_CELLS = 4_000_000
"""Sums that are held at a time while many draws are scored."""


@dataclass(frozen=True)
class Tally:
    """Sums over the utterances of one set of predictions.

    Attributes:
        sums: What the score is made of, by speaker and fold.
        heard: 1 where a speaker is in a fold's test part, else 0.
        score: Takes sums by draw and fold, gives the score of each.
    """

    sums: Float[np.ndarray, "speakers folds sums"]
    heard: Float[np.ndarray, "speakers folds"]
    score: Callable[[np.ndarray], np.ndarray]


def tally_classes(
    predictions: pd.DataFrame,
    speakers: "pd.Series[str]",
    clusters: Sequence[str],
    classes: Sequence[str],
) -> Tally:
    """Count predicted classes for the UAR.

    Args:
        predictions: Columns id, fold, label, prediction.
        speakers: Speaker of each utterance, index = id.
        clusters: All speakers, in the order of the sums.
        classes: All classes.
    """
    size = len(classes)
    truth, guess = (
        pd.Index(classes).get_indexer(predictions[column]) for column in ("label", "prediction")
    )
    cells = np.eye(size * size)[truth * size + guess]

    def score(sums: np.ndarray) -> np.ndarray:
        confusions = np.rint(sums).astype(np.int64).reshape(-1, size, size)
        return uar_from_confusion(confusions).reshape(sums.shape[:-1])

    return _tally(predictions, speakers, clusters, cells, score)


def tally_numbers(
    predictions: pd.DataFrame, speakers: "pd.Series[str]", clusters: Sequence[str]
) -> Tally:
    """Sum predicted numbers for the concordance correlation (CCC).

    Args:
        predictions: Columns id, fold, truth, prediction.
        speakers: Speaker of each utterance, index = id.
        clusters: All speakers, in the order of the sums.
    """
    x, y = (predictions[column].to_numpy(dtype=np.float64) for column in ("truth", "prediction"))
    cells = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    return _tally(predictions, speakers, clusters, cells, ccc_from_sums)


def joined(first: Tally, second: Tally) -> Tally:
    """Put two sets of predictions below each other, as if twice as many speakers had spoken."""
    return Tally(
        np.concatenate([first.sums, second.sums]),
        np.concatenate([first.heard, second.heard]),
        first.score,
    )


def mean_score(
    tally: Tally, weights: Float[np.ndarray, "draws speakers"]
) -> Float[np.ndarray, " draws"]:
    """Return the score averaged over folds, of many draws of speakers.

    Each utterance counts as often as its speaker was drawn; each fold as often as its speakers
    were drawn, on average. With every speaker drawn once, this is the plain mean over folds.

    Args:
        tally: Sums of the predictions.
        weights: How often each draw has each speaker.
    """
    num_speakers, num_folds, num_sums = tally.sums.shape
    cells = tally.sums.reshape(num_speakers, -1)
    found = [np.empty(0)]
    step = max(1, _MOST_CELLS // cells.shape[1])
    for first in range(0, len(weights), step):
        drawn = weights[first : first + step]
        scores = tally.score((drawn @ cells).reshape(-1, num_folds, num_sums))
        share = drawn @ tally.heard / np.maximum(tally.heard.sum(axis=0), 1)
        found.append((share * scores).sum(axis=1) / np.maximum(share.sum(axis=1), 1e-12))
    return np.concatenate(found)


def _tally(
    predictions: pd.DataFrame,
    speakers: "pd.Series[str]",
    clusters: Sequence[str],
    cells: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
) -> Tally:
    """Sum the cells of each utterance, [utterances, sums], by speaker and fold."""
    folds = sorted(predictions["fold"].unique())
    who = pd.Index(clusters).get_indexer(speakers.loc[predictions["id"]])
    where = pd.Index(folds).get_indexer(predictions["fold"])
    sums = np.zeros((len(clusters), len(folds), cells.shape[1]))
    np.add.at(sums, (who, where), cells)
    heard = np.zeros((len(clusters), len(folds)))
    heard[who, where] = 1.0
    return Tally(sums, heard, score)
