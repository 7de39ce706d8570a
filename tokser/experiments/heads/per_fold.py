"""Heads of scikit-learn, fold by fold: fit every candidate on train, select by dev, fit again."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float32, Shaped
from threadpoolctl import threadpool_limits

from tokser.config import GridSettings
from tokser.experiments.grid import Point
from tokser.experiments.heads.fold_threads import in_threads, num_blas_threads
from tokser.experiments.heads.head import Choice, FitFold, FittedFold, Fitting, Head
from tokser.experiments.heads.trained_estimator import TrainedEstimator
from tokser.experiments.heads.trained_head import FittedHead, in_order_of
from tokser.experiments.statistics.crossfit import (
    CrossFit,
    HalfScores,
    crossfit_score,
    halves_of,
)
from tokser.experiments.task import TargetScale, Task
from tokser.experiments.training_data import TrainingData
from tokser.functionals.standardise import Standardiser
from tokser.threads import num_threads

__all__ = ["Candidate", "Part", "PerFoldHead", "SweptHead", "class_weight", "network_candidate"]


@dataclass(frozen=True)
class Part:
    """A part of a split, standardised by what a model is fitted on.

    Attributes:
        values: Functionals, [utterances, features].
        target: Labels, or numbers on train's scale, [utterances]; or a column for each class,
            [utterances, classes].
        classes: Names of all classes; none for numbers.
        shared: What candidates that are fitted on it compute of it once, by name.
    """

    values: Float32[np.ndarray, "utterances features"]
    target: Shaped[np.ndarray, "utterances ..."]
    classes: tuple[str, ...] = ()
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Candidate:
    """One point of a search.

    Attributes:
        params: Its columns in the table of trials, for instance `C`.
        epochs: Yields the model after each epoch of training on a part, the same object each time;
            once, where a model has no epochs.
        has_epochs: Whether there are several to choose among.
    """

    params: dict[str, Any]
    epochs: Callable[[Part], Iterator[Any]]
    has_epochs: bool = False

    @classmethod
    def of(cls, params: dict[str, Any], model: Any) -> "Candidate":
        """Return a candidate without epochs: a copy of the model is fitted."""

        def fit(train: Part) -> Iterator[Any]:
            yield copy.deepcopy(model).fit(train.values, train.target)

        return cls(params, fit)


class PerFoldHead(Head):
    """A head whose folds are fitted independently of each other, each on one thread.

    Attributes:
        trained_as: What a fitted model is kept as.
        fits_side_by_side: Whether several folds are fitted at once, in threads: nothing that it
            calls keeps a state that folds would share.
    """

    trained_as: ClassVar[type[TrainedEstimator]]
    fits_side_by_side: ClassVar[bool] = False

    @abstractmethod
    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return what each fold tries."""

    def outputs(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities by `model.classes_`, or numbers."""
        return self.kept_as(model).raw_outputs(model, values)

    def fit(self, data: TrainingData, how: Fitting) -> Generator[FittedFold, None, None]:
        """Fit, select and refit each fold, in threads of this process, or in processes beside it.

        A fold is fitted on one thread, so the number of threads changes no bit of it.
        """
        fit_fold = self.fit_fold(data, how)
        at_once = min(num_threads(), num_blas_threads()) if self.fits_side_by_side else 1
        if how.processes is not None and at_once > 1 and how.processes.number:
            at_once = min(at_once, how.processes.number + 1)
            fit_fold = how.processes.beside(fit_fold, self, data, how)
        # A fit takes 20 ms on one thread, and 40 times as long on two that wait for each other.
        with threadpool_limits(limits=1):
            yield from in_threads(fit_fold, range(len(data.splits)), at_once, how.on_models)

    def fit_fold(self, data: TrainingData, how: Fitting) -> FitFold:
        """Return what fits, selects and refits a fold on the caller's thread."""
        candidates = self.candidates(data.task, data.grid, data.seed)
        return partial(self._fit_fold, data, how, candidates)

    def _fit_fold(
        self,
        data: TrainingData,
        how: Fitting,
        candidates: Sequence[Candidate],
        fold: int,
        on_models: Callable[[int], None],
    ) -> FittedFold:
        ids = data.fitted_ids(fold)
        scaled = _Scaled.by(ids, data)
        dev = _Dev.of(scaled, data.splits[fold].dev, self.outputs)
        train = scaled.part(ids)
        fitted = [_fit(one, train, dev, data.grid, on_models) for one in candidates]
        best = max(range(len(fitted)), key=lambda i: (fitted[i].score, -i))
        num_constant = int(scaled.scaling.is_constant.sum())
        trials = _trials(candidates, fitted, best, data.task, num_constant)
        model, selected = fitted[best].model, candidates[best]
        before = None
        if how.refit:
            before = self._fitted(model, scaled) if how.keeps_selected else None
            ids = data.fitted_ids(fold, with_dev=True)
            scaled = _Scaled.by(ids, data)
            epochs = islice(selected.epochs(scaled.part(ids)), fitted[best].best_epoch)
            *_, model = epochs
            on_models(1)
        halves = [one.halves for one in fitted]
        return FittedFold(selected.params, trials, self._fitted(model, scaled), halves, before)

    def fit_all(self, data: TrainingData, choice: Choice) -> FittedHead:
        """Fit the chosen candidate on every utterance, for the chosen number of epochs."""
        with threadpool_limits(limits=1):
            return self.fit_all_here(data, choice)

    def fit_all_here(self, data: TrainingData, choice: Choice) -> FittedHead:
        """Do what `fit_all` does with as many threads as the caller has set."""
        candidate = self.candidates(data.task, data.grid, data.seed)[choice.point]
        ids = list(data.functionals.index)
        scaled = _Scaled.by(ids, data)
        *_, model = islice(candidate.epochs(scaled.part(ids)), choice.epochs or 1)
        return self._fitted(model, scaled)

    def kept_as(self, model: Any) -> type[TrainedEstimator]:
        """Return what a fitted model is kept as."""
        return self.trained_as

    def _fitted(self, model: Any, scaled: "_Scaled") -> FittedHead:
        trained = self.kept_as(model)(model, scaled.data.classes)
        return FittedHead(trained, scaled.scaling, scaled.target_scale)


class SweptHead(PerFoldHead):
    """A head without epochs, one model for each value of one parameter.

    Attributes:
        param: Name of the parameter, a column in the table of trials.
        values: Its values, in the order in which they are tried.
    """

    param: ClassVar[str]
    values: ClassVar[tuple[float, ...]]
    is_random = False
    fits_side_by_side = True

    @abstractmethod
    def candidate(self, value: float, grid: GridSettings) -> Candidate:
        """Return a model of one value."""

    def num_points(self, grid: GridSettings) -> int:
        """Count the values."""
        return len(self.values)

    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return a model of each value."""
        return [self.candidate(value, grid) for value in self.values]


def class_weight(grid: GridSettings) -> str | None:
    """Return what classifiers of scikit-learn call the weights of classes."""
    return "balanced" if grid.class_weights else None


def network_candidate(
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
        options: What `partial_fit` gets besides, by what is fitted on.
    """

    def train_on(train: Part) -> Iterator[Any]:
        model = network(
            hidden_layer_sizes=point.hidden,
            batch_size=min(point.batch_size, len(train.target)),
            learning_rate_init=point.learning_rate,
            alpha=0.0,
            random_state=seed,
        )
        more = options(train)
        while True:
            yield model.partial_fit(train.values, train.target, **more)

    return Candidate(point.params, train_on, has_epochs=True)


@dataclass(frozen=True)
class _Scaled:
    """Makes parts of ids, on the scale of a training part."""

    data: TrainingData
    scaling: Standardiser
    target_scale: TargetScale | None

    @classmethod
    def by(cls, ids: Sequence[str], data: TrainingData) -> "_Scaled":
        known = data.targets(ids).to_numpy()
        return cls(data, data.scaling(ids), data.task.target_scale(known))

    def part(self, ids: Sequence[str]) -> Part:
        values = self.scaling.apply(self.data.rows(ids))
        known, classes = self.data.targets(ids), self.data.classes
        if self.target_scale is not None:
            return Part(values, self.target_scale.apply(known.to_numpy(np.float64)))
        by_class = isinstance(known, pd.DataFrame)
        return Part(values, known.to_numpy(np.float64 if by_class else object), classes)


@dataclass(frozen=True)
class _Dev:
    """How models are measured on dev: sums of each half, [2, ...]."""

    sums: Callable[[Any], np.ndarray]
    task: Task

    @classmethod
    def of(
        cls,
        scaled: _Scaled,
        ids: Sequence[str],
        outputs: Callable[[Any, np.ndarray], np.ndarray],
    ) -> "_Dev":
        task, classes = scaled.data.task, scaled.data.classes
        dev = scaled.part(ids)
        half = halves_of(ids, task.strata(scaled.data.targets(ids)))

        def sums(model: Any) -> np.ndarray:
            guess = task.decide(
                in_order_of(classes, outputs(model, dev.values), getattr(model, "classes_", ())),
                classes,
            )
            return np.stack(
                [task.sums(dev.target[half == h], guess[half == h], classes) for h in (0, 1)]
            )

        return cls(sums, task)


class _Fitted(NamedTuple):
    """A candidate at the first epoch that is best on dev."""

    model: Any
    best_epoch: int
    score: float
    halves: HalfScores


def _fit(
    candidate: Candidate,
    train: Part,
    dev: _Dev,
    grid: GridSettings,
    on_models: Callable[[int], None],
) -> _Fitted:
    """Fit a candidate, and keep the first epoch that is best on dev, and on each half of it."""
    score, patience = dev.task.score, grid.early_stopping
    halves = CrossFit(score)
    best_score, best_epoch, best_model = -np.inf, 0, None
    for epoch, model in enumerate(islice(candidate.epochs(train), grid.epochs), start=1):
        sums = dev.sums(model)
        halves.add_epoch(sums[None])
        reached = float(score(sums.sum(axis=0)[None])[0])
        if reached > best_score:
            kept = copy.deepcopy(model) if candidate.has_epochs else model
            best_score, best_epoch, best_model = reached, epoch, kept
        if patience and epoch - best_epoch >= patience:
            break
    on_models(1)
    return _Fitted(best_model, best_epoch, best_score, halves.best)


def _trials(
    candidates: Sequence[Candidate],
    fitted: Sequence[_Fitted],
    best: int,
    task: Task,
    num_constant: int,
) -> list[dict[str, Any]]:
    metric = f"dev_{task.tables.metric}"
    crossfit = crossfit_score([one.halves for one in fitted], task.score)
    return [
        {
            **candidate.params,
            "best_epoch": one.best_epoch if candidate.has_epochs else None,
            metric: one.score,
            f"{metric}_crossfit": crossfit if number == best else np.nan,
            "selected": number == best,
            "num_constant": num_constant,
        }
        for number, (candidate, one) in enumerate(zip(candidates, fitted, strict=True))
    ]
