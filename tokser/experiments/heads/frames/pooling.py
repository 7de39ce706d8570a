"""What makes one vector of an utterance's frames: the part in which heads over frames differ."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings

__all__ = ["Dropout", "Parameters", "Pooling", "TermRows", "draw_linear", "products_of"]

Parameters = Mapping[str, Tensor]
"""Parameters of P models by name, each [P, ...]."""
Dropout = Callable[[Tensor], Tensor]
"""Sets values to 0 in training; elsewhere it returns them as they are."""


class TermRows(NamedTuple):
    """Frames or tokens of one term, layers mixed, and the parameters that pool them.

    Attributes:
        parameters: Of the models.
        rows: Standardised, one utterance after the other: of each model, or [1, rows, dim].
        lengths: Rows of each utterance.
        rounded: Rows as products take them, where somebody has them.
    """

    parameters: Parameters
    rows: Float[Tensor, "shared rows dim"]
    lengths: Sequence[int]
    rounded: Shaped[Tensor, "rows dim"] | None = None


class Pooling(ABC):
    """One vector of each utterance's frames; of several terms, their vectors side by side.

    Attributes:
        scales_pooled: Whether vectors are brought to mean 0 and standard deviation 1, by those that
            the first weights make of the training part; see `model.FrameModel`.
        shares_products: Whether most of its work is a product of the same frames with the weights
            of all models; where it is not, seeds gain nothing by training together.
        takes_means: Whether it is the same on pooled means, an utterance's only frame.
        kinds: What each term has to be, if it takes several that have to do with each other:
            `speech`, or `text`, which aligned tokens are, too.
    """

    scales_pooled: ClassVar[bool] = False
    shares_products: ClassVar[bool] = False
    takes_means: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]] = ()

    def check(self, options: FrameHeadSettings) -> None:
        """Raise `SettingsError` where options do not fit together; by default any will do."""
        return

    def for_work(self, frames: float) -> "Pooling":
        """Return the form that trains fastest; by default there is only one.

        Args:
            frames: Frames trained on, times models and epochs, in all.
        """
        return self

    def reads_compiled(self, options: FrameHeadSettings) -> torch.dtype | None:
        """Return what frames are rounded to where compiled code reads them; by default none does.

        Args:
            options: Of the head.
        """
        return None

    @abstractmethod
    def width(self, dim: int, options: FrameHeadSettings) -> int:
        """Return the numbers in a vector."""

    @abstractmethod
    def draw(
        self, dim: int, options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw the parameters of one model, without a leading axis.

        Args:
            dim: Numbers in a frame.
            options: Of the head.
            generator: What numbers are drawn from.
        """

    @abstractmethod
    def pool(
        self,
        parameters: Parameters,
        rows: Float[Tensor, "shared rows dim"],
        lengths: Sequence[int],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return the vector of each utterance.

        Args:
            parameters: Of the models.
            rows: Standardised frames, one utterance after the other: of each model, or
                [1, rows, dim] for all of them.
            lengths: Frames of each utterance.
            options: Of the head.
            dropout: Applied within; what follows has its own.
        """

    def width_of_terms(self, dims: Sequence[int], options: FrameHeadSettings) -> int:
        """Return the numbers in the vector of all terms.

        Args:
            dims: Numbers in a frame of each term.
            options: Of the head.
        """
        return sum(self.width(dim, options) for dim in dims)

    def draw_shared(
        self, dims: Sequence[int], options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw the parameters that terms share; by default there are none.

        Args:
            dims: Numbers in a frame of each term.
            options: Of the head.
            generator: What numbers are drawn from.
        """
        return {}

    def pool_terms(
        self,
        shared: Parameters,
        terms: Sequence[TermRows],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return the vector of all terms of each utterance.

        Args:
            shared: Parameters that terms share.
            terms: Of the same utterances.
            options: Of the head.
            dropout: Applied within.
        """
        pooled = [self.pool_term(term, options, dropout) for term in terms]
        return pooled[0] if len(pooled) == 1 else torch.cat(pooled, dim=-1)

    def pool_term(
        self, term: TermRows, options: FrameHeadSettings, dropout: Dropout
    ) -> Float[Tensor, "models batch width"]:
        """Return what `pool` does of a term, by whatever way is fastest."""
        return self.pool(term.parameters, term.rows, term.lengths, options, dropout)


def draw_linear(name: str, wide: int, narrow: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw weight [wide, narrow] and bias [1, narrow] as `torch.nn.Linear` would."""
    bound = wide**-0.5
    shapes = {"weight": (wide, narrow), "bias": (1, narrow)}
    return {
        f"{name}.{part}": (2 * torch.rand(shape, generator=generator) - 1) * bound
        for part, shape in shapes.items()
    }


def products_of(options: FrameHeadSettings) -> torch.dtype | None:
    """Return the type that training multiplies frames and weights in; None: that of the frames."""
    return torch.bfloat16 if options.training_precision == "bf16" else None
