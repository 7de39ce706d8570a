"""The head over frames: one search for every pooling."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from tokser.config import GridSettings
from tokser.device import one_thread
from tokser.errors import InputError, RunError, list_some
from tokser.experiments.frames import FrameBatch
from tokser.experiments.grid import grid_at
from tokser.experiments.heads.frames.fold import in_pieces
from tokser.experiments.heads.frames.groups import (
    FrameGroup,
    Member,
    Trainer,
    frame_points,
    model_of,
    plan_groups,
    plan_refits,
    train_groups,
)
from tokser.experiments.heads.frames.trained import TrainedFrameHead
from tokser.experiments.heads.frames.training import FrameWeights, TrainedPoint
from tokser.experiments.heads.head import Choice, FittedFold, Fitting, Head
from tokser.experiments.heads.memory import names_what_needs_less
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.search_space import Space, space_of_grid
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.crossfit import crossfit_score
from tokser.experiments.task import Loss
from tokser.experiments.training_data import TrainingData
from tokser.functionals.standardise import Standardiser

__all__ = ["FrameHead"]


class FrameHead(Head):
    """The heads over frames: Adam, plateau, best epoch by dev.

    Args:
        trained_as: What it becomes by training; its pooling makes one vector of an utterance's
            frames.
    """

    losses = frozenset[Loss](
        {"cross-entropy", "cross-entropy on shares", "squared error", "concordance"}
    )
    is_network = True
    mixes = True

    def __init__(self, trained_as: type[TrainedFrameHead]) -> None:
        self.trained_as, self.pooling = trained_as, trained_as.pooling

    @property
    def shares_seeds(self) -> bool:  # type: ignore[override]  # that of the pooling
        """Whether models of several seeds multiply the same frames."""
        return self.pooling.shares_products

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the pooling says."""
        return self.pooling.kinds

    @property
    def reads(self) -> Literal["functionals", "means", "frames"]:
        """Pooled means where they give the same numbers as frames."""
        return "means" if self.pooling.takes_means else "frames"

    def num_points(self, grid: GridSettings) -> int:
        """Count batch sizes times learning rates."""
        return len(grid.batch_sizes) * len(grid.learning_rates)

    def space(self, grid: GridSettings) -> Space:
        """Return what the grid spans."""
        return space_of_grid(grid, with_hidden=False)

    def at(self, point: Mapping[str, Any], grid: GridSettings) -> tuple[Head, GridSettings]:
        """Return a grid of one point."""
        return self, grid_at(grid, point)

    def fit(self, data: TrainingData, how: Fitting) -> Generator[FittedFold, None, None]:
        """Train every point of every fold, and again what each fold selected."""
        with closing(self.fit_seeds(data, (data.seed,), how)) as folds:
            for (fold,) in folds:
                yield fold

    def fit_seeds(
        self, data: TrainingData, seeds: Sequence[int], how: Fitting
    ) -> Generator[tuple[FittedFold, ...], None, None]:
        """Train every seed of every fold on the same batches."""
        self.pooling.check(data.frame_heads)
        trainer = Trainer(self.trained_as, data)
        found = _search(trainer, seeds, how)
        selected = {key: _best(points) for key, points in found.items()}
        weights = {key: trained.weights for key, (_, trained) in selected.items()}
        first = dict(weights) if how.refit and how.keeps_selected else {}
        if how.refit:
            groups = plan_refits(data, selected, trainer.most_together)
            with _names_what_saves_memory():
                for group, refitted in train_groups(trainer.refit, groups, how.workers):
                    keys = [(seed, group.fold) for seed in group.seeds]
                    weights |= zip(keys, refitted, strict=True)
                    how.on_models(len(refitted))
        for fold in range(len(data.splits)):
            yield tuple(
                _fitted_fold(trainer, fold, found[key], (weights[key], first.get(key)), how)
                for key in ((seed, fold) for seed in seeds)
            )

    def fit_all(self, data: TrainingData, choice: Choice) -> FittedHead:
        """Train the chosen point on every utterance, with the learning rates of the chosen fold.

        These are found by training that fold's point once more. Where they are fewer than the
        epochs, the last one stays.
        """
        self.pooling.check(data.frame_heads)
        point = frame_points(data)[choice.point]
        alone = Member(data.seed, choice.point, (point.learning_rate,))
        group = FrameGroup(choice.fold, point.batch_size, (alone,))
        with _names_what_saves_memory():
            (trained,) = Trainer(self.trained_as, data).search(group)
        rates = trained.learning_rates
        epochs = choice.epochs or len(rates)
        rates = (rates + rates[-1:] * epochs)[:epochs]
        everyone = Split("all", tuple(data.functionals.index), (), ())
        trainer = Trainer(self.trained_as, replace(data, splits=(everyone,)))
        (weights,) = trainer.refit(FrameGroup(0, point.batch_size, (alone._replace(rates=rates),)))
        return _fitted(trainer, weights, everyone.train)


class FittedFrames(FittedHead):
    """A trained head over frames, with the scales of what it was trained on."""

    head: TrainedFrameHead

    def predict(self, data: TrainingData, ids: Sequence[str]) -> np.ndarray:
        """Return probabilities, or numbers of the corpus, a few utterances at a time.

        Raises:
            InputError: An utterance has frames that are not finite.
        """
        found = []
        with one_thread():
            for few in in_pieces(data.frames, ids):
                batches = [term.read(few) for term in data.frames]
                scaled = self.head.standardised(self.scaling, batches)
                found.append(self.head.frame_outputs(scaled))
                if not np.isfinite(found[-1]).all():
                    _refuse_not_finite(few, scaled)
        return self.on_scale(np.concatenate(found))


def _names_what_saves_memory() -> AbstractContextManager[None]:
    """Return what turns a failed allocation into a `RunError` that names options."""
    return names_what_needs_less(
        "training of a head over frames",
        expected="memory for a batch and the models that train on it",
        remedy="Lower the batch size (--grid batch_size=8), try fewer learning rates at once, "
        "lower --ensemble or --attention-heads, mix fewer layers, or lower --frames-mb.",
    )


def _refuse_not_finite(ids: Sequence[str], batches: Sequence[FrameBatch]) -> None:
    """Raise `InputError`: outputs are not finite."""
    broken = [
        one
        for place, one in enumerate(ids)
        for batch in batches
        if not bool(batch.rows.split(list(batch.lengths), dim=1)[place].isfinite().all())
    ]
    raise InputError(
        list_some(broken or list(ids)),
        expected="finite frames",
        got="NaN or infinity" if broken else "frames too far from those of the training part",
        remedy="Run `tokser store verify`, then extract these utterances again.",
    )


def _require_finite(weights: FrameWeights) -> None:
    broken = [name for name, own in weights.parameters.items() if not bool(own.isfinite().all())]
    if broken:
        raise RunError(
            "training of a head over frames",
            expected="weights that stay finite",
            got=f"NaN or infinity in {list_some(broken)}",
            remedy="Lower the learning rates (--grid lr=1e-3). If the store is read with "
            "--no-check, run `tokser store verify`.",
        )


def _fitted(trainer: Trainer, weights: FrameWeights, ids: Sequence[str]) -> FittedFrames:
    """Put together what predicts: weights, and the scales of what they were trained on."""
    _require_finite(weights)
    data = trainer.data
    scalings = [term.scaling(ids) for term in data.frames]
    scaling = Standardiser(
        np.concatenate([own.mean.reshape(-1) for own in scalings]),
        np.concatenate([own.scale.reshape(-1) for own in scalings]),
    )
    model = model_of(trainer.pooling, data)
    options = model.options.model_copy(update={"training_precision": "fp32"})
    head = trainer.trained_as(replace(model, options=options), weights)
    return FittedFrames(head, scaling, data.task.target_scale(data.targets(ids).to_numpy()))


def _mix_weights(data: TrainingData, weights: FrameWeights) -> dict[str, float]:
    """Return the weight of each layer of the mixes, by name."""
    found: dict[str, float] = {}
    for number, term in enumerate(data.frames):
        mix = weights.parameters.get(f"term-{number}.mix")
        if mix is not None:
            shares = mix.softmax(dim=-1).mean(dim=0).tolist()
            found |= zip((layer.name for layer in term.layers), shares, strict=True)
    return found


def _search(
    trainer: Trainer, seeds: Sequence[int], how: Fitting
) -> dict[tuple[int, int], dict[int, TrainedPoint]]:
    """Return what came of every point, by seed and fold."""
    found: dict[tuple[int, int], dict[int, TrainedPoint]] = {}
    groups = plan_groups(trainer.data, seeds, trainer.most_together)
    with _names_what_saves_memory():
        for group, trained in train_groups(trainer.search, groups, how.workers):
            for own, point in zip(group.members, trained, strict=True):
                found.setdefault((own.seed, group.fold), {})[own.point] = point
            how.on_models(len(trained))
    return found


def _fitted_fold(
    trainer: Trainer,
    fold: int,
    points: dict[int, TrainedPoint],
    weights: tuple[FrameWeights, FrameWeights | None],
    how: Fitting,
) -> FittedFold:
    """Put together what came of a fold with one seed: last weights, and those before a refit."""
    data, (point, _) = trainer.data, _best(points)
    last, first = weights
    return FittedFold(
        _params(data, point),
        _trials(data, fold, points, point, _mix_weights(data, last)),
        _fitted(trainer, last, data.fitted_ids(fold, with_dev=how.refit)),
        [points[number].halves for number in sorted(points)],
        None if first is None else _fitted(trainer, first, data.fitted_ids(fold)),
    )


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
