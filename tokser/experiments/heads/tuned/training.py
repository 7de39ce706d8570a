"""Training of blocks and a head together, an epoch after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tokser.config.tune import TuneSettings
from tokser.errors import RunError
from tokser.experiments.frames import FrameBatch, FrameScaling
from tokser.experiments.heads.frames.fold import FrameFold
from tokser.experiments.heads.frames.model import FrameModel, PooledScaling, no_dropout
from tokser.experiments.heads.frames.pooling import Dropout
from tokser.experiments.heads.frames.training import FrameWeights
from tokser.experiments.heads.tuned.blocks import EncoderBlocks, block_depths, trained_parameters
from tokser.experiments.heads.tuned.length_batches import in_length_batches, shuffled_batches
from tokser.experiments.heads.tuned.low_rank import add_adapters, merged_weights
from tokser.experiments.heads.tuned.memory import names_what_saves_memory
from tokser.experiments.heads.tuned.model import TunedModel, read_finite
from tokser.experiments.heads.tuned.probe import fit_last_layer

__all__ = ["Recipe", "TunedWeights", "TuningRun", "predict", "rate_share"]


class TunedWeights(NamedTuple):
    """What was learnt, on the CPU.

    Attributes:
        blocks: Weights of the blocks that changed, by name; adapters are added in.
        head: Of the head.
        scaling: Of frames.
    """

    blocks: dict[str, Tensor]
    head: FrameWeights
    scaling: FrameScaling


@dataclass(frozen=True)
class Recipe:
    """What is trained, and how.

    Attributes:
        blocks: Of the encoder, untouched.
        head: What pools layers.
        layers: Those that the head reads.
        settings: Learning rates, batches, epochs, what saves memory.
        seed: Of weights and order.
        device: Where it runs.
    """

    blocks: EncoderBlocks
    head: FrameModel
    layers: tuple[int, ...]
    settings: TuneSettings
    seed: int
    device: torch.device


def rate_share(position: float, epochs: int, warm_up: float) -> float:
    """Return the share of the learning rate: it rises over the first epochs, then falls to 0.

    Args:
        position: Epochs since the beginning, with fractions.
        epochs: Epochs at which it is 0.
        warm_up: Epochs in which it rises.
    """
    rise = min(1.0, position / warm_up) if warm_up else 1.0
    return rise * max(0.0, 1 - position / epochs)


class TuningRun:
    """Blocks and a head in training.

    Args:
        recipe: What is trained.
        fold: On which utterances.
        scaling: Of frames.
        blocks_rate: Learning rate of the last block.
    """

    def __init__(
        self, recipe: Recipe, fold: FrameFold, scaling: FrameScaling, blocks_rate: float
    ) -> None:
        self._recipe, self._fold = recipe, fold
        settings, device = recipe.settings, recipe.device
        blocks = recipe.blocks.copied().to(device)
        if settings.lora is not None:
            add_adapters(blocks, settings.lora, recipe.seed)
        blocks.saves_memory = settings.gradient_checkpointing
        drawn = recipe.head.draw((recipe.seed, fold.number))
        self._parameters = {n: v.to(device).requires_grad_() for n, v in drawn.items()}
        self._model = TunedModel(
            *(blocks, recipe.layers, recipe.head, scaling),
            in_bf16=settings.precision == "bf16",
        )
        self._begin()
        self._optimiser = torch.optim.AdamW(_groups(blocks, self._parameters, recipe, blocks_rate))
        self._rates = [float(group["lr"]) for group in self._optimiser.param_groups]

    def train_epoch(self, epoch: int) -> None:
        """Train an epoch, counted from 1.

        Raises:
            RunError: The loss is not finite, or memory does not suffice.
        """
        recipe, fold, ids = self._recipe, self._fold, self._fold.train.ids
        settings = recipe.settings
        lengths = fold.terms[0].num_frames(ids)
        seed = (recipe.seed, fold.number, epoch)
        batches = shuffled_batches(lengths, settings.batch_size, seed)
        self._model.blocks.train()
        dropout = self._dropout(seed)
        with names_what_saves_memory():
            for step, places in enumerate(batches):
                share = rate_share(
                    epoch - 1 + (step + 0.5) / len(batches), settings.epochs, settings.warm_up
                )
                for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
                    group["lr"] = rate * share
                self._step(self._read([ids[place] for place in places]), places, dropout)

    def outputs(self, ids: Sequence[str]) -> np.ndarray:
        """Return probabilities [ids, classes], or numbers [ids]."""
        return predict(self._model, self._parameters, self._fold, ids, self._recipe.settings)

    def weights(self) -> TunedWeights:
        """Copy what was learnt so far."""
        blocks, pooled = self._model.blocks, self._model.pooled
        has_adapters = self._recipe.settings.lora is not None
        learnt = merged_weights(blocks) if has_adapters else trained_parameters(blocks)
        if pooled is not None:
            pooled = PooledScaling(pooled.centre.cpu().clone(), pooled.inverse.cpu().clone())
        head = {name: values.detach().cpu().clone() for name, values in self._parameters.items()}
        return TunedWeights(
            {name: values.detach().cpu().clone() for name, values in learnt.items()},
            FrameWeights(head, pooled),
            self._model.scaling,
        )

    def _read(self, ids: Sequence[str]) -> FrameBatch:
        return read_finite(self._fold.terms[0], ids)

    def _step(self, batch: FrameBatch, places: Sequence[int], dropout: Dropout) -> None:
        outputs = self._model.outputs(self._parameters, batch, dropout)
        loss = self._loss(outputs, self._fold.train.target[places].to(outputs.device))
        if not bool(loss.isfinite()):
            raise RunError(
                f"{self._recipe.blocks.source}, fold {self._fold.number + 1}",
                expected="a loss that stays finite",
                got=str(float(loss.detach())),
                remedy="Lower --blocks-lr or --head-lr, or lengthen --warm-up.",
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()

    def _loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        importance = self._fold.importance
        if importance is None:
            return (outputs[:, 0] - target).square().mean()
        return functional.cross_entropy(
            outputs,
            target,
            importance.to(outputs.device),
            label_smoothing=self._recipe.head.options.label_smoothing,
        )

    def _dropout(self, seed: Sequence[int]) -> Dropout:
        share = self._recipe.head.options.dropout
        if not share:
            return no_dropout
        state = np.random.SeedSequence([*seed, 1]).generate_state(1)
        generator = torch.Generator().manual_seed(int(state[0]))

        def drop(values: Tensor) -> Tensor:
            kept = torch.rand(values.shape, generator=generator) >= share
            return values * (kept.to(values.device) / (1 - share))

        return drop

    def _begin(self) -> None:
        """Pool train by untouched blocks: that scales vectors, and fits the last layer."""
        ids, model, recipe = self._fold.train.ids, self._model, self._recipe
        if not (recipe.head.pooling.scales_pooled or recipe.settings.probe_first):
            return
        lengths = self._fold.terms[0].num_frames(ids)
        model.blocks.eval()
        batches = in_length_batches(lengths, recipe.settings.batch_size)
        with torch.no_grad(), names_what_saves_memory():
            parts = [
                model.pool(self._parameters, self._read([ids[place] for place in places]))
                for places in batches
            ]
        pooled = torch.cat(parts, dim=1)
        if recipe.head.pooling.scales_pooled:
            scaling = PooledScaling.of(pooled)
            pooled = (pooled - scaling.centre) * scaling.inverse
            self._model = replace(model, pooled=scaling)
        if recipe.settings.probe_first:
            order = [place for places in batches for place in places]
            target = self._fold.train.target[order].to(recipe.device)
            fit_last_layer(self._parameters, pooled[0], partial(self._loss, target=target))


def predict(
    model: TunedModel,
    parameters: dict[str, Tensor],
    fold: FrameFold,
    ids: Sequence[str],
    settings: TuneSettings,
) -> np.ndarray:
    """Return probabilities [ids, classes], or numbers [ids]."""
    lengths = fold.terms[0].num_frames(ids)
    found: dict[int, np.ndarray] = {}
    model.blocks.eval()
    with torch.no_grad(), names_what_saves_memory():
        for places in in_length_batches(lengths, settings.batch_size):
            batch = read_finite(fold.terms[0], [ids[place] for place in places])
            outputs = model.outputs(parameters, batch, no_dropout)
            outputs = outputs[:, 0] if fold.importance is None else outputs.softmax(dim=-1)
            found |= zip(places, outputs.cpu().numpy(), strict=True)
    return np.stack([found[place] for place in range(len(ids))])


def _groups(
    blocks: Any, head: dict[str, Tensor], recipe: Recipe, blocks_rate: float
) -> list[dict[str, Any]]:
    """Return what is trained with which learning rate and weight decay.

    A block learns by `layer_decay` more slowly than the one above it; norms and biases, vectors all
    of them, do not decay.
    """
    settings, decay = recipe.settings, recipe.head.options.weight_decay
    depths = block_depths(blocks)
    groups: dict[tuple[int, bool], list[Tensor]] = {}
    for name, values in trained_parameters(blocks).items():
        groups.setdefault((depths[name], values.dim() > 1), []).append(values)
    found = [
        {
            "params": values,
            "lr": blocks_rate * settings.layer_decay**depth,
            "weight_decay": decay if decays else 0.0,
        }
        for (depth, decays), values in groups.items()
    ]
    rate = {"lr": settings.head_rate, "weight_decay": decay}
    return [*found, {"params": list(head.values()), **rate}]
