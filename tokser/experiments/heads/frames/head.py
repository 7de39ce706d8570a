"""The head over frames: one search for every pooling."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from tokser.config import GridSettings
from tokser.errors import SettingsError
from tokser.experiments.heads.frames.fold import frame_fold
from tokser.experiments.heads.frames.groups import (
    Trainer,
    frame_points,
    model_of,
    plan_groups,
    plan_refits,
    train_groups,
)
from tokser.experiments.heads.frames.pooling import Pooling
from tokser.experiments.heads.frames.training import FrameWeights, TrainedPoint, predict
from tokser.experiments.heads.head import FittedFold, Fitting, Head
from tokser.experiments.statistics.crossfit import crossfit_score
from tokser.experiments.task import Loss
from tokser.experiments.training_data import TrainingData

__all__ = ["FrameHead"]


class FrameHead(Head):
    """`superb`, `emobox`, `attentive`, `transformer`: Adam, plateau, best epoch by dev.

    Args:
        pooling: What makes one vector of an utterance's frames.
    """

    losses = frozenset[Loss]({"cross-entropy", "squared error"})
    is_network = True
    mixes = True

    def __init__(self, pooling: Pooling) -> None:
        self.pooling = pooling

    @property
    def reads(self) -> Literal["functionals", "means", "frames"]:
        """Pooled means where they give the same numbers as frames."""
        return "means" if self.pooling.takes_means else "frames"

    def num_points(self, grid: GridSettings) -> int:
        """Count batch sizes times learning rates."""
        return len(grid.batch_sizes) * len(grid.learning_rates)

    def fit(self, data: TrainingData, how: Fitting) -> Generator[FittedFold, None, None]:
        """Train every point of every fold, and again what each fold selected."""
        self.pooling.check(data.frame_heads)
        trainer = Trainer(self.pooling, data)
        found = _search(trainer, how)
        selected = {fold: _best(points) for fold, points in found.items()}
        weights = {fold: trained.weights for fold, (_, trained) in selected.items()}
        if how.refit:
            for group, refitted in train_groups(trainer, plan_refits(data, selected), how.workers):
                assert isinstance(refitted, FrameWeights)
                weights[group.fold] = refitted
                how.on_models(1)
        for fold in range(len(data.splits)):
            member = _Fitted(trainer, fold, how.refit, weights[fold])
            point, _ = selected[fold]
            yield FittedFold(
                _params(data, point),
                _trials(data, fold, found[fold], point, member.mix_weights()),
                partial(_Fitted.predict, member),
            )


@dataclass(frozen=True)
class _Fitted:
    """What predicts the test part of a fold."""

    trainer: Trainer
    number: int
    with_dev: bool
    weights: FrameWeights

    def predict(self, ids: Sequence[str]) -> np.ndarray:
        """Return probabilities, or numbers."""
        data = self.trainer.data
        fold = frame_fold(data, self.number, with_dev=self.with_dev)
        model = model_of(self.trainer.pooling, data)
        outputs = predict(model, self.weights.parameters, self.weights.scaling, fold, ids)
        found: np.ndarray = outputs.mean(axis=0)
        return found if fold.target_scale is None else fold.target_scale.undo(found)

    def mix_weights(self) -> dict[str, float]:
        """Return the weight of each layer of the mixes, by name."""
        found: dict[str, float] = {}
        for number, term in enumerate(self.trainer.data.frames):
            mix = self.weights.parameters.get(f"term-{number}.mix")
            if mix is not None:
                shares = mix.softmax(dim=-1).mean(dim=0).tolist()
                found |= zip((layer.name for layer in term.layers), shares, strict=True)
        return found


def _search(trainer: Trainer, how: Fitting) -> dict[int, dict[int, TrainedPoint]]:
    """Return what came of every point, by fold."""
    found: dict[int, dict[int, TrainedPoint]] = {}
    for group, trained in train_groups(trainer, plan_groups(trainer.data), how.workers):
        assert isinstance(trained, list)
        found.setdefault(group.fold, {}).update(zip(group.points, trained, strict=True))
        how.on_models(len(trained))
    return found


def _best(points: dict[int, TrainedPoint]) -> tuple[int, TrainedPoint]:
    """Return the first point that is best on dev."""
    best = max(points, key=lambda number: (points[number].dev_score, -number))
    return best, points[best]


def _params(data: TrainingData, point: int) -> dict[str, Any]:
    params = frame_points(data)[point].params
    return {name: value for name, value in params.items() if name != "hidden"}


def _trials(
    data: TrainingData,
    fold: int,
    points: dict[int, TrainedPoint],
    selected: int,
    mix_weights: dict[str, float],
) -> list[dict[str, Any]]:
    metric = f"dev_{data.task.tables.metric}"
    crossfit = crossfit_score([points[number].halves for number in sorted(points)], data.task.score)
    ids = data.fitted_ids(fold)
    num_constant = sum(term.scaling(ids).num_constant for term in data.frames)
    return [
        {
            **_params(data, number),
            "best_epoch": points[number].best_epoch,
            metric: points[number].dev_score,
            f"{metric}_crossfit": crossfit if number == selected else np.nan,
            "selected": number == selected,
            "num_constant": num_constant,
            **({f"mix_{n}": w for n, w in mix_weights.items()} if number == selected else {}),
        }
        for number in sorted(points)
    ]
