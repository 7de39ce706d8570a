"""Corpora of known truth: what `bench_coverage` draws, and what it holds intervals against.

Two levels: independent units (speakers, or sessions of two speakers), and their utterances.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tokser.experiments.statistics.metrics import ccc_from_sums, uar_from_confusion
from tokser.experiments.statistics.unit_sums import UnitSums

NUM_CLASSES = 4
NUM_TRUTH = 4_000
"""Units that a truth is computed from."""
Random = np.random.Generator


@dataclass(frozen=True)
class Case:
    """One kind of corpus and protocol.

    Attributes:
        name: As the table says it.
        draw: Draws the sums of a corpus of so many units.
        truth: What the score estimates, for so many units.
        scale: Of the score, see `tokser.intervals`.
        score: Of the sums.
    """

    name: str
    draw: Callable[[Random, int], UnitSums]
    truth: Callable[[Random, int], float]
    scale: str = "share"
    score: Callable[[np.ndarray], np.ndarray] = uar_from_confusion


def fixed_cases() -> list[Case]:
    """Classifiers that were trained elsewhere: units differ in how well they are recognised."""
    kinds = {
        "speakers alike": ("normal", 0.8, 0.0),
        "speakers of two kinds (scale 0.3 or 2)": ("mixed", 0.8, 0.0),
        "skewed speakers": ("skewed", 0.8, 0.0),
        "40 % of a speaker's classes missing": ("normal", 0.8, 0.4),
        "skewed, classes missing": ("skewed", 0.8, 0.4),
        "UAR near 97 %": ("high", 0.8, 0.0),
    }
    return [_fixed(name, *told) for name, told in kinds.items()]


def _fixed(name: str, kind: str, spread: float, missing: float) -> Case:
    def draw(rng: Random, num_units: int) -> UnitSums:
        return _confusions(rng, num_units, kind, spread, missing)

    def truth(rng: Random, num_units: int) -> float:
        return _pooled(draw(rng, NUM_TRUTH))

    return Case(f"fixed classifier, {name}", draw, truth)


def _confusions(rng: Random, num_units: int, kind: str, spread: float, missing: float) -> UnitSums:
    skill = rng.normal(size=num_units)
    if kind == "mixed":
        skill *= rng.choice([0.3, 2.0], size=num_units)
    if kind == "skewed":
        skill = 1 - rng.exponential(size=num_units)
    level = 4.0 if kind == "high" else 1.2
    shape = (num_units, NUM_CLASSES)
    odds = level + spread * skill[:, None] + 0.5 * rng.normal(size=shape)
    counts = rng.poisson(8, size=shape) * (rng.random(shape) >= missing)
    hits = rng.binomial(counts, 1 / (1 + np.exp(-odds)))
    return _sums(hits, counts)


def _sums(hits: np.ndarray, counts: np.ndarray) -> UnitSums:
    """Put right ones on the diagonal, wrong ones beside it; [units, classes] each."""
    places = np.arange(NUM_CLASSES)
    sums = np.zeros((len(hits), 1, NUM_CLASSES, NUM_CLASSES))
    sums[:, 0, places, places] = hits
    sums[:, 0, places, (places + 1) % NUM_CLASSES] = counts - hits
    return UnitSums(sums, float(counts.sum()))


def concordance_case() -> Case:
    """Estimates of a number; each speaker has a mean of their own that is partly missed."""

    def draw(rng: Random, num_units: int) -> UnitSums:
        per_unit = 20
        own = rng.normal(scale=0.5, size=(num_units, 1))
        truth = 3 + own + rng.normal(scale=0.8, size=(num_units, per_unit))
        bias = rng.normal(scale=0.3, size=(num_units, 1))
        guess = 3 + 0.6 * (truth - 3) + bias + rng.normal(scale=0.4, size=truth.shape)
        cells = [np.ones_like(truth), truth, guess, truth**2, guess**2, truth * guess]
        sums = np.stack(cells, axis=-1).sum(axis=1)[:, None]
        return UnitSums(sums, float(num_units * per_unit))

    def truth(rng: Random, num_units: int) -> float:
        return float(ccc_from_sums(draw(rng, NUM_TRUTH).sums.sum(axis=0))[0])

    return Case("CCC, speakers biased", draw, truth, "correlation", ccc_from_sums)


@dataclass(frozen=True)
class Corpus:
    """Utterances in a space where a nearest-mean classifier is trained.

    Attributes:
        values: [speakers, utterances, dims].
        labels: [speakers, utterances].
    """

    values: np.ndarray
    labels: np.ndarray


def draw_corpus(rng: Random, num_speakers: int, *, is_paired: bool = False) -> Corpus:
    """Draw speakers who each shift all classes, and each class by itself; pairs share a shift."""
    dims, per_class = 6, 6
    means = np.random.default_rng(0).normal(scale=0.9, size=(NUM_CLASSES, dims))
    labels = np.repeat(np.arange(NUM_CLASSES), per_class)
    shift = rng.normal(scale=0.5, size=(num_speakers, 1, dims))
    if is_paired:
        pairs = rng.normal(scale=0.6, size=(-(-num_speakers // 2), 1, dims))
        shift = shift + np.repeat(pairs, 2, axis=0)[:num_speakers]
    own = rng.normal(scale=0.4, size=(num_speakers, NUM_CLASSES, dims))[:, labels]
    noise = rng.normal(size=(num_speakers, len(labels), dims))
    return Corpus(means[labels] + shift + own + noise, np.tile(labels, (num_speakers, 1)))


def trained_cases() -> list[Case]:
    """A nearest-mean classifier that is trained in each fold."""
    return [
        _left_out("leave one speaker out", 1, lambda n: n),
        _left_out("leave one session of two speakers out", 2, lambda n: n),
        _left_out("speakers dealt into five folds", 1, lambda n: 5),
        _random_split(),
    ]


def _left_out(name: str, per_unit: int, num_folds: Callable[[int], int]) -> Case:
    def draw(rng: Random, num_units: int) -> UnitSums:
        corpus = draw_corpus(rng, num_units * per_unit, is_paired=per_unit > 1)
        units = np.repeat(np.arange(num_units), per_unit)
        folds = rng.permutation(num_units) % num_folds(num_units)
        sums = np.zeros((num_units, 1, NUM_CLASSES, NUM_CLASSES))
        for fold in range(folds.max() + 1):
            is_test = folds[units] == fold
            guess = _nearest(corpus, ~is_test, is_test)
            where = np.broadcast_to(units[is_test][:, None], guess.shape)
            np.add.at(sums, (where, 0, corpus.labels[is_test], guess), 1)
        return UnitSums(sums, float(corpus.labels.size))

    def truth(rng: Random, num_units: int) -> float:
        """Train on as many units as a fold does, and test on many others; the mean over corpora."""
        folds = num_folds(num_units)
        num_train = round(num_units * (1 - 1 / folds)) * per_unit
        found = []
        for _ in range(400):
            corpus = draw_corpus(rng, num_train + 100, is_paired=per_unit > 1)
            is_test = np.arange(num_train + 100) >= num_train
            guess = _nearest(corpus, ~is_test, is_test)
            found.append(_uar(corpus.labels[is_test], guess))
        return float(np.mean(found))

    return Case(f"trained, {name}", draw, truth)


def _random_split() -> Case:
    """Every tenth utterance is tested: the speakers are in training too."""

    def parts(rng: Random, num_units: int) -> tuple[Corpus, np.ndarray, np.ndarray]:
        corpus = draw_corpus(rng, num_units)
        is_test = np.zeros(corpus.labels.size, dtype=bool)
        for label in range(NUM_CLASSES):
            own = np.flatnonzero(corpus.labels.ravel() == label)
            is_test[rng.permutation(own)[: round(len(own) / 10)]] = True
        is_test = is_test.reshape(corpus.labels.shape)
        return corpus, is_test, _nearest(corpus, ~is_test, is_test)

    def draw(rng: Random, num_units: int) -> UnitSums:
        corpus, is_test, guess = parts(rng, num_units)
        units = np.nonzero(is_test)[0]
        sums = np.zeros((num_units, 1, NUM_CLASSES, NUM_CLASSES))
        np.add.at(sums, (units, 0, corpus.labels[is_test], guess), 1)
        return UnitSums(sums[np.unique(units)], float(len(units)))

    def truth(rng: Random, num_units: int) -> float:
        found = [parts(rng, num_units) for _ in range(4_000)]
        return float(np.mean([_uar(c.labels[is_test], guess) for c, is_test, guess in found]))

    return Case("trained, one random split (speakers shared)", draw, truth)


def _nearest(corpus: Corpus, is_train: np.ndarray, is_test: np.ndarray) -> np.ndarray:
    """Return the class with the nearest mean in training, in the shape of the chosen labels."""
    values, labels = corpus.values[is_train], corpus.labels[is_train]
    means = np.stack([values[labels == label].mean(axis=0) for label in range(NUM_CLASSES)])
    tested = corpus.values[is_test]
    return np.asarray((tested @ means.T - (means**2).sum(axis=1) / 2).argmax(axis=-1))


def _uar(labels: np.ndarray, guess: np.ndarray) -> float:
    return float(np.mean([(guess[labels == c] == c).mean() for c in np.unique(labels)]))


def _pooled(sums: UnitSums) -> float:
    return float(uar_from_confusion(sums.sums.sum(axis=0))[0])


def systems(
    rng: Random, num_units: int, levels: np.ndarray, *, per_class: int = 8
) -> dict[str, UnitSums]:
    """Draw systems that recognise the same utterances, of these levels (log odds) on average.

    They share how hard a speaker is; each finds speakers a little harder or easier of its own.
    """
    counts = rng.poisson(per_class, size=(num_units, NUM_CLASSES))
    hard = 0.8 * rng.normal(size=(num_units, 1)) + 0.4 * rng.normal(size=counts.shape)
    found = {}
    for number, level in enumerate(levels):
        odds = level + hard + 0.3 * rng.normal(size=(num_units, 1))
        found[f"s{number}"] = _sums(rng.binomial(counts, 1 / (1 + np.exp(-odds))), counts)
    return found
