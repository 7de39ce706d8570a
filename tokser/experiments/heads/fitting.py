"""Fitting models of scikit-learn, once or epoch by epoch, and selecting among them on dev."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped

from tokser.experiments.grid import Point
from tokser.experiments.statistics.crossfit import CrossFit, HalfScores, Score, crossfit_score

__all__ = ["Candidate", "DevPart", "Part", "Selection", "epochs_of", "refit_selected", "select"]


@dataclass(frozen=True)
class Part:
    """A part of a split, standardised by what a model is fitted on.

    Attributes:
        values: Functionals, [utterances, features].
        target: Labels, or numbers on train's scale, [utterances].
    """

    values: Float32[np.ndarray, "utterances features"]
    target: Shaped[np.ndarray, " utterances"]


@dataclass(frozen=True)
class DevPart:
    """How models are measured on dev.

    Attributes:
        sums: Makes of a model what a score is made of, for each half, [2, ...].
        score: Makes scores of such sums, [sets, ...].
        metric: Name of the score, `dev_uar` for instance.
    """

    sums: Callable[[Any], np.ndarray]
    score: Score
    metric: str


@dataclass(frozen=True)
class Candidate:
    """One point of a search.

    Attributes:
        told: Its columns in the table of trials, for instance `C`.
        epochs: Yields the model after each epoch of training on a part, the same object each time;
            once, where a model has no epochs.
        has_epochs: Whether there are several to choose among.
    """

    told: dict[str, Any]
    epochs: Callable[[Part], Iterator[Any]]
    has_epochs: bool = False

    @classmethod
    def of(cls, told: dict[str, Any], model: Any) -> "Candidate":
        """Return a candidate without epochs: a copy of the model is fitted."""

        def fit(train: Part) -> Iterator[Any]:
            yield copy.deepcopy(model).fit(train.values, train.target)

        return cls(told, fit)


class _Fitted(NamedTuple):
    """A candidate at the first epoch that is best on dev."""

    model: Any
    best_epoch: int
    score: float
    halves: HalfScores


class Selection(NamedTuple):
    """What dev selected.

    Attributes:
        point: The candidate.
        model: It, fitted on train, at its best epoch.
        best_epoch: That epoch, from 1 on; 1 where there are none.
        trials: A row of each candidate: its own columns, best_epoch, the score on dev, that by
            halves (of the selected one alone), and whether it was selected.
    """

    point: Candidate
    model: Any
    best_epoch: int
    trials: list[dict[str, Any]]


def select(
    points: Sequence[Candidate],
    train: Part,
    dev: DevPart,
    *,
    epochs: int,
    early_stopping: int | None,
    on_models: Callable[[int], None],
) -> Selection:
    """Fit every candidate on train, and select the first that is best on dev.

    Args:
        points: What there is to choose among.
        train: What is fitted on.
        dev: How it is measured.
        epochs: Of candidates that have some.
        early_stopping: Epochs without a better score after which one stops; none: never.
        on_models: Called with the number of models fitted since the last call.
    """
    fitted = []
    for point in points:
        fitted.append(_fit(point, train, dev, epochs, early_stopping))
        on_models(1)
    best = max(range(len(points)), key=lambda i: (fitted[i].score, -i))
    crossfit = crossfit_score([one.halves for one in fitted], dev.score)
    trials = [
        {
            **point.told,
            "best_epoch": one.best_epoch if point.has_epochs else None,
            dev.metric: one.score,
            f"{dev.metric}_crossfit": crossfit if number == best else np.nan,
            "selected": number == best,
        }
        for number, (point, one) in enumerate(zip(points, fitted, strict=True))
    ]
    return Selection(points[best], fitted[best].model, fitted[best].best_epoch, trials)


def refit_selected(selection: Selection, part: Part, on_models: Callable[[int], None]) -> Any:
    """Return what was selected, fitted on another part for as many epochs."""
    *_, model = islice(selection.point.epochs(part), selection.best_epoch)
    on_models(1)
    return model


def epochs_of(
    network: type[Any],
    point: Point,
    *,
    seed: int,
    options: Callable[[Part], Mapping[str, Any]] = lambda train: {},
) -> Candidate:
    """Return a network of scikit-learn, which has epochs.

    Args:
        network: `MLPClassifier` or `MLPRegressor`.
        point: Batch size, learning rate and widths.
        seed: Of weights and order.
        options: What `partial_fit` is told besides, by what is fitted on.
    """

    def train_on(train: Part) -> Iterator[Any]:
        model = network(
            hidden_layer_sizes=point.hidden,
            batch_size=min(point.batch_size, len(train.target)),
            learning_rate_init=point.learning_rate,
            alpha=0.0,
            random_state=seed,
        )
        told = options(train)
        while True:
            yield model.partial_fit(train.values, train.target, **told)

    return Candidate(point.told, train_on, has_epochs=True)


def _fit(
    point: Candidate, train: Part, dev: DevPart, epochs: int, early_stopping: int | None
) -> _Fitted:
    """Fit a candidate, and keep the first epoch that is best on dev, and on each half of it."""
    halves = CrossFit(dev.score)
    best_score, best_epoch, best_model = -np.inf, 0, None
    for epoch, model in enumerate(islice(point.epochs(train), epochs), start=1):
        sums = dev.sums(model)
        halves.add_epoch(sums[None])
        reached = float(dev.score(sums.sum(axis=0)[None])[0])
        if reached > best_score:
            kept = copy.deepcopy(model) if point.has_epochs else model
            best_score, best_epoch, best_model = reached, epoch, kept
        if early_stopping and epoch - best_epoch >= early_stopping:
            break
    return _Fitted(best_model, best_epoch, best_score, halves.best)
