"""One speaker under two names: names whose voices are alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float32
from numpy.typing import NDArray

from tokser.functionals.standardise import Standardiser

__all__ = ["SPEAKER_THRESHOLD", "SimilarSpeakers", "SpeakerPair", "compare_speakers"]

SPEAKER_THRESHOLD = 0.7
"""Similarity from which on two names are named; measured on EmoDB and nEMO, docs/statistics.md."""
LEAST_UTTERANCES = 8
"""A name with fewer is not compared."""
_LEAST_SPEAKERS_A_SENTENCE = 3
_BLOCK = 512


class SpeakerPair(NamedTuple):
    """Two names whose voices are alike."""

    first: str
    second: str
    similarity: float


@dataclass(frozen=True)
class SimilarSpeakers:
    """How alike the speakers of a corpus are.

    Attributes:
        pairs: Names whose similarity is at least the threshold, the most similar first.
        threshold: The least similarity of a pair.
        nearest_below: The largest similarity below the threshold; -1 if there is none.
        of_one: Similarity of two halves of one speaker, the median over the speakers: what one
            speaker under two names would have.
        num_compared: Names with enough utterances.
        not_compared: Why nothing is said, empty otherwise.
    """

    pairs: tuple[SpeakerPair, ...] = ()
    threshold: float = SPEAKER_THRESHOLD
    nearest_below: float = -1.0
    of_one: float = float("nan")
    num_compared: int = 0
    not_compared: str = ""


def compare_speakers(
    means: Float32[np.ndarray, "utterances dim"],
    speakers: Sequence[str],
    labels: Sequence[str],
    sentences: Sequence[str],
    *,
    threshold: float = SPEAKER_THRESHOLD,
) -> SimilarSpeakers:
    """Compare the mean activations of speakers, without those of labels and sentences.

        s(a, b) = m_a . m_b / sqrt(p_a p_b),    p_a = |m_a|^2 - v_a / n_a

    m_a is the mean of speaker a over n_a utterances, from which the means of each label and of
    each sentence that several speakers say are removed, v_a the sum of the variances over the
    utterances. The noise of a mean over few utterances is subtracted from its power, so that one
    speaker under two names comes near 1 however few utterances each has.

    Args:
        means: Mean activations of utterances.
        speakers: Their names; utterances without one are left out.
        labels: What is expressed; may be empty texts.
        sentences: What is said; may be empty texts.
        threshold: The least similarity that is named.
    """
    table = pd.DataFrame({"name": speakers, "label": labels, "sentence": sentences}, dtype=object)
    num_utterances = table.groupby("name")["name"].transform("size")
    is_kept = (table["name"].ne("") & num_utterances.ge(LEAST_UTTERANCES)).to_numpy(dtype=bool)
    table = table[is_kept]
    codes, who = pd.factorize(table["name"], sort=True)
    if len(who) < 3:
        reason = f"fewer than 3 speakers with {LEAST_UTTERANCES} utterances"
        return SimilarSpeakers(not_compared=reason)
    rest = Standardiser.fit(means[is_kept]).apply(means[is_kept])
    rest = _without_means(_without_means(rest, table["label"]), _said_by_several(table))
    halves = _halves(codes)
    of_one = _of_halves(rest, halves, len(who))
    if of_one < threshold:
        reason = (
            "this feature does not tell speakers apart: two halves of one speaker have the "
            f"similarity {of_one:.2f}"
        )
        return SimilarSpeakers(not_compared=reason, of_one=of_one, num_compared=len(who))
    centres, power = _centres(rest, codes, len(who))
    pairs, nearest = _pairs(centres, power, list(who), threshold)
    return SimilarSpeakers(tuple(pairs), threshold, nearest, of_one, len(who))


def _said_by_several(table: pd.DataFrame) -> "pd.Series[str]":
    """Blank the sentences that few speakers say: their means would be those of speakers."""
    num_speakers = table.groupby("sentence")["name"].transform("nunique")
    return table["sentence"].where(num_speakers.ge(_LEAST_SPEAKERS_A_SENTENCE), "")


def _without_means(
    values: Float32[np.ndarray, "utterances dim"], groups: "pd.Series[str]"
) -> Float32[np.ndarray, "utterances dim"]:
    codes = pd.factorize(groups)[0]
    rest: NDArray[np.float32] = values - _means(values, codes)[codes]
    return rest


def _means(
    values: Float32[np.ndarray, "utterances dim"], codes: NDArray[np.int64]
) -> NDArray[np.float32]:
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sums = np.add.reduceat(values[order].astype(np.float64), starts, axis=0)
    means: NDArray[np.float32] = (sums / np.bincount(codes)[:, None]).astype(np.float32)
    return means


def _centres(
    rest: Float32[np.ndarray, "utterances dim"], codes: NDArray[np.int64], number: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the speakers' means about their own mean, and the power of each without its noise."""
    counts = np.bincount(codes, minlength=number)
    means = _means(rest, codes)
    squares = np.bincount(codes, np.square(rest - means[codes]).sum(axis=1), minlength=number)
    noise = squares / np.maximum(counts - 1, 1) / counts
    centres = means - means.mean(axis=0)
    power = np.square(centres.astype(np.float64)).sum(axis=1) - noise
    # A mean that is mostly noise says nothing of the voice.
    return centres, np.where(power > noise / 4, power, np.inf)


def _pairs(
    centres: NDArray[np.float32],
    power: NDArray[np.float64],
    names: Sequence[str],
    threshold: float,
) -> tuple[list[SpeakerPair], float]:
    scaled = centres / np.sqrt(power)[:, None].astype(np.float32)
    found, nearest = [], -1.0
    for top in range(0, len(scaled), _BLOCK):
        block = scaled[top : top + _BLOCK] @ scaled.T
        block[np.arange(len(scaled)) <= np.arange(top, top + len(block))[:, None]] = -1.0
        is_alike = block >= threshold
        nearest = max(nearest, float(block.max(initial=-1.0, where=~is_alike)))
        found += [
            SpeakerPair(names[top + a], names[b], round(float(block[a, b]), 2))
            for a, b in zip(*np.nonzero(is_alike), strict=True)
        ]
    return sorted(found, key=lambda pair: -pair.similarity), nearest


def _halves(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the halves of each speaker 2 s and 2 s + 1; which utterance is in which is drawn."""
    order = np.random.default_rng(0).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    halves = np.empty_like(codes)
    halves[order] = 2 * codes[order] + np.arange(len(codes)) % 2
    return halves


def _of_halves(
    rest: Float32[np.ndarray, "utterances dim"], halves: NDArray[np.int64], number: int
) -> float:
    """Return the median similarity of the halves of one speaker; 0 where they are noise."""
    centres, power = _centres(rest, halves, 2 * number)
    products = np.einsum("sd,sd->s", centres[::2], centres[1::2])
    found = products / np.sqrt(power[::2] * power[1::2])
    return float(np.median(found))
