"""One fold: every learning rate is trained, the best on dev is kept, and trained again on both."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokser.experiments.frames import FrameScaling
from tokser.experiments.heads.frames.fold import FrameFold, dev_sums
from tokser.experiments.heads.tuned.training import Recipe, TunedWeights, TuningRun
from tokser.experiments.results import MIX
from tokser.experiments.statistics.crossfit import CrossFit, HalfScores, crossfit_score
from tokser.experiments.task import Task

__all__ = ["TunedPoint", "refit_weights", "trial_rows", "tune_point"]


@dataclass(frozen=True)
class TunedPoint:
    """What came of one learning rate.

    Attributes:
        blocks_rate: The learning rate of the last block.
        weights: At the best epoch.
        best_epoch: First epoch with the best dev score; 0 is what the linear probe reached.
        dev_score: That score.
        halves: The epochs that each half of dev prefers.
    """

    blocks_rate: float
    weights: TunedWeights
    best_epoch: int
    dev_score: float
    halves: HalfScores


def tune_point(
    recipe: Recipe,
    fold: FrameFold,
    scaling: FrameScaling,
    blocks_rate: float,
    task: Task,
    classes: tuple[str, ...],
) -> TunedPoint:
    """Train until the last epoch, or until dev has not improved for long enough.

    Args:
        recipe: What is trained, and how.
        fold: On which utterances.
        scaling: Of frames.
        blocks_rate: Learning rate of the last block.
        task: How dev is scored.
        classes: In the order of the outputs.
    """
    run = TuningRun(recipe, fold, scaling, blocks_rate)
    settings = recipe.settings
    patience = settings.early_stopping or settings.epochs
    best, best_epoch, best_score = run.weights(), 0, -np.inf
    halves = CrossFit(task.score)
    for epoch in range(0 if settings.probe_first else 1, settings.epochs + 1):
        if epoch:
            run.train_epoch(epoch)
        sums = dev_sums(fold, task, run.outputs(fold.dev.ids), classes)
        halves.add_epoch(sums[None])
        score = float(task.score(sums.sum(axis=0)[None])[0])
        if score > best_score:
            best, best_epoch, best_score = run.weights(), epoch, score
        if epoch - best_epoch >= patience:
            break
    return TunedPoint(blocks_rate, best, best_epoch, best_score, halves.best)


def refit_weights(
    recipe: Recipe, fold: FrameFold, scaling: FrameScaling, point: TunedPoint
) -> TunedWeights:
    """Train the selected point again, on train and dev, for as many epochs as it had at its best.

    The learning rate follows the same curve over epochs.
    """
    run = TuningRun(recipe, fold, scaling, point.blocks_rate)
    for epoch in range(1, point.best_epoch + 1):
        run.train_epoch(epoch)
    return run.weights()


def trial_rows(
    points: list[TunedPoint], best: int, recipe: Recipe, task: Task, num_constant: int
) -> list[dict[str, Any]]:
    """Return a row of each point, see `SearchResult.trials`."""
    metric = f"dev_{task.tables.metric}"
    crossfit = crossfit_score([point.halves for point in points], task.score)
    return [
        {
            **point_params(recipe, point.blocks_rate),
            "best_epoch": point.best_epoch,
            metric: point.dev_score,
            f"{metric}_crossfit": crossfit if number == best else np.nan,
            "selected": number == best,
            "num_constant": num_constant,
            **(_mix_weights(recipe, point.weights) if number == best else {}),
        }
        for number, point in enumerate(points)
    ]


def _mix_weights(recipe: Recipe, weights: TunedWeights) -> dict[str, float]:
    """Return the weight of each layer of a mix, by its column in the table of trials."""
    mix = weights.head.parameters.get("term-0.mix")
    if mix is None:
        return {}
    shares = mix.softmax(dim=-1)[0].tolist()
    names = [f"{MIX}{recipe.blocks.feature(layer)}" for layer in recipe.layers]
    return dict(zip(names, shares, strict=True))


def point_params(recipe: Recipe, blocks_rate: float) -> dict[str, Any]:
    """Return what tells a point from others, as the ledger and the table of trials name it."""
    return {
        "batch_size": recipe.settings.batch_size,
        "learning_rate": recipe.settings.head_rate,
        "blocks_learning_rate": blocks_rate,
    }
