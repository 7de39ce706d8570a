"""Heads over frames, many of them side by side: mix layers, pool frames, one linear layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings
from tokser.experiments.frames import FrameBatch
from tokser.experiments.heads.frames.pooling import (
    Dropout,
    Parameters,
    Pooling,
    TermRows,
    draw_linear,
)
from tokser.experiments.heads.frames.ragged import layer_norm, linear

__all__ = ["FrameModel", "PooledScaling", "TermShape", "mix_layers", "no_dropout"]


_SHARED = "terms."
"""How the names of parameters begin that terms share."""


@dataclass(frozen=True)
class TermShape:
    """Shape of one term of an expression.

    Attributes:
        num_layers: Layers that are mixed, or 1.
        dim: Numbers in a frame.
    """

    num_layers: int
    dim: int


@dataclass(frozen=True)
class PooledScaling:
    """What pooled vectors are scaled by.

    Attributes:
        centre: Subtracted, [models, 1, width].
        inverse: Multiplied by, 0 where nothing varies, [models, 1, width].
    """

    centre: Float[Tensor, "models 1 width"]
    inverse: Float[Tensor, "models 1 width"]

    @classmethod
    def of(cls, pooled: Float[Tensor, "models utterances width"]) -> "PooledScaling":
        """Learn mean and population standard deviation over utterances."""
        scale = pooled.std(dim=1, correction=0, keepdim=True)
        inverse = torch.where(scale > 1e-5, 1 / scale, torch.zeros_like(scale))
        return cls(pooled.mean(dim=1, keepdim=True), inverse)

    def of_first(self, count: int) -> "PooledScaling":
        """Return that of the first models."""
        return PooledScaling(self.centre[:count], self.inverse[:count])


@dataclass(frozen=True)
class FrameModel:
    """The function that a head over frames computes; its parameters are kept apart.

    For each term i, layers are mixed to one frame x_t = sum_l softmax(w_i)_l x_lt, and pooled to a
    vector p_i. Then y = d([p_1, ...]) W + b, with dropout d in training.

    Attributes:
        pooling: What makes p_i.
        terms: Shape of each term.
        num_outputs: Classes, or 1 for a number.
        options: Of the head.
    """

    pooling: Pooling
    terms: tuple[TermShape, ...]
    num_outputs: int
    options: FrameHeadSettings

    @property
    def width(self) -> int:
        """Numbers in the vectors of all terms."""
        return self.pooling.width_of_terms(self._dims, self.options)

    @property
    def _dims(self) -> list[int]:
        return [term.dim for term in self.terms]

    def draw(self, seed: Sequence[int]) -> dict[str, Tensor]:
        """Draw the parameters of one model, each [1, ...]; all layers weigh the same at first.

        Args:
            seed: Equal ones give equal models.
        """
        state = np.random.SeedSequence(list(seed)).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(state))
        found: dict[str, Tensor] = {}
        for number, term in enumerate(self.terms):
            own = self.pooling.draw(term.dim, self.options, generator)
            if term.num_layers > 1:
                own["mix"] = torch.zeros(term.num_layers)
            found |= {f"term-{number}.{name}": values for name, values in own.items()}
        shared = self.pooling.draw_shared(self._dims, self.options, generator)
        found |= {f"{_SHARED}{name}": values for name, values in shared.items()}
        found |= draw_linear("output", self.width, self.num_outputs, generator)
        return {name: values[None] for name, values in found.items()}

    def pool(
        self, parameters: Parameters, batches: Sequence[FrameBatch], dropout: Dropout
    ) -> Float[Tensor, "models batch width"]:
        """Return the vectors of all terms side by side.

        Args:
            parameters: Of the models.
            batches: Standardised frames of the same utterances, by term.
            dropout: Applied within the pooling.
        """
        terms = []
        for number, batch in enumerate(batches):
            own = _named(parameters, f"term-{number}.")
            rows = batch.rows
            if len(rows) > 1:
                rows = mix_layers(own["mix"], rows, normed=self.options.layer_norm)
            terms.append(TermRows(own, rows, batch.lengths, batch.rounded))
        return self.pooling.pool_terms(_named(parameters, _SHARED), terms, self.options, dropout)

    def forward(
        self,
        parameters: Parameters,
        batches: Sequence[FrameBatch],
        scaling: PooledScaling | None,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch outputs"]:
        """Return logits, or numbers on the scale of the training part.

        Args:
            parameters: Of the models.
            batches: Standardised frames of the same utterances, by term.
            scaling: Of pooled vectors; none: they stay.
            dropout: Of training.
        """
        pooled = self.pool(parameters, batches, dropout)
        if scaling is not None:
            pooled = (pooled - scaling.centre).mul_(scaling.inverse)
        weight, bias = parameters["output.weight"], parameters["output.bias"]
        return linear(dropout(pooled), weight, bias)


def _named(parameters: Parameters, prefix: str) -> dict[str, Tensor]:
    """Return the parameters whose names begin so, without that beginning."""
    return {n.removeprefix(prefix): v for n, v in parameters.items() if n.startswith(prefix)}


def mix_layers(
    weights: Float[Tensor, "models layers"],
    rows: Float[Tensor, "layers rows dim"],
    *,
    normed: bool = False,
) -> Float[Tensor, "models rows dim"]:
    """Return sum_l softmax(w)_l x_l.

    Args:
        weights: w.
        rows: x.
        normed: Whether each frame of each layer gets mean 0 and deviation 1 first.

    Source: SUPERB (Yang et al. 2021), s3prl `upstream/interfaces.Featurizer`.
    """
    layers = layer_norm(rows) if normed else rows
    return (weights.softmax(dim=-1) @ layers.flatten(1)).view(-1, *rows.shape[1:])


def no_dropout(values: Tensor) -> Tensor:
    """Return values as they are."""
    return values
