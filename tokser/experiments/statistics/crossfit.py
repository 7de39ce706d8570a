"""Scores on dev that selection has not made better: each half is scored by what the other prefers.

The best of many scores on dev is too high, the more so the more of them there are: an MLP's is the
best of all its epochs and points, that of logistic regression the only one. So dev is halved. The
point and epoch that are best on one half are scored on the other, and the reverse; both halves
together give one score, which compares like with like between classifiers and features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64, Num

__all__ = ["CrossFit", "HalfScores", "Score", "crossfit_score", "halves_of"]

Score = Callable[[Any], np.ndarray]
"""Makes scores, [sets], of sums over utterances, [sets, ...]: counts of a confusion matrix, say."""


@dataclass(frozen=True)
class HalfScores:
    """For each half of dev, the epoch that is best on it.

    Attributes:
        reached: Its score on that half, [models, 2].
        others: The sums of the other half in that epoch, [models, 2, ...].
    """

    reached: Float[np.ndarray, "models 2"]
    others: Num[np.ndarray, "models 2 *sums"]

    def of(self, model: int) -> "HalfScores":
        """Return those of one model."""
        own = slice(model, model + 1)
        return HalfScores(self.reached[own], self.others[own])


class CrossFit:
    """Keeps, of the epochs of some models, the first that is best on each half.

    Args:
        score: Makes a score of the sums of one half.
    """

    def __init__(self, score: Score) -> None:
        self._score = score
        self._best: HalfScores | None = None

    def add_epoch(
        self,
        sums: Num[np.ndarray, "models 2 *sums"],
        is_trained: Bool[np.ndarray, " models"] | None = None,
    ) -> None:
        """Take in an epoch.

        Args:
            sums: Of each half.
            is_trained: Which models had this epoch, and did not stop before; none: all.
        """
        reached = self._score(sums.reshape(-1, *sums.shape[2:])).reshape(sums.shape[:2])
        others = sums[:, ::-1]
        if self._best is None:
            self._best = HalfScores(np.full(reached.shape, -np.inf), np.zeros_like(sums))
        is_better = reached > self._best.reached
        if is_trained is not None:
            is_better &= is_trained[:, None]
        choice = is_better.reshape(*reached.shape, *(1,) * (sums.ndim - 2))
        self._best = HalfScores(
            np.where(is_better, reached, self._best.reached),
            np.where(choice, others, self._best.others),
        )

    @property
    def best(self) -> HalfScores:
        """What was kept of the epochs so far, of which there must be one."""
        if self._best is None:
            raise RuntimeError("no epoch has been added")
        return self._best


def halves_of(ids: Sequence[str], target: Sequence[Any]) -> Int64[np.ndarray, " dev"]:
    """Deal a dev part into two halves, 0 and 1, in turn, by target and then by id.

    So each class, or each range of a number, is in both; and the order of the part does not matter.

    Args:
        ids: Utterances of the dev part.
        target: Label or number of each.
    """
    order = sorted(range(len(ids)), key=lambda place: (target[place], ids[place]))
    found = np.empty(len(ids), dtype=np.int64)
    found[order] = np.arange(len(ids)) % 2
    return found


def crossfit_score(points: Sequence[HalfScores], score: Score) -> float:
    """Return the score of both halves together, each by the point that is best on the other.

    Args:
        points: Of each point of a search, of one model each; the first of equals is taken.
        score: As in `CrossFit`.
    """
    preferred = np.stack([point.reached[0] for point in points]).argmax(axis=0)
    sums = sum(points[choice].others[0, half] for half, choice in enumerate(preferred))
    return float(score(np.asarray(sums)[None])[0])
