"""An auxiliary loss that keeps what words do not say: functionals predicted from aligned tokens.

The contrastive loss rewards what tells words apart; loudness, pitch and voice may go. With a
feature F of the same utterances, mean and standard deviation over its frames are predicted by a
linear map from mean and standard deviation over the aligned tokens:

    L_kept = mean((W [mean_t A_t, std_t A_t] + b - z(F))^2)

where z is standardised over the training part, and W and b are trained with the aligner. The loss
of training is the contrastive one plus `--keep-weight` times this one.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

__all__ = ["KeptFunctionals", "token_functionals"]

SMALLEST_VARIANCE = 1e-6
"""Below it a variance counts as this, and passes no gradient: an utterance of one token has 0."""
SMALLEST_SCALE = 1e-6
"""A number that varies less over the training part is left out: 0 for everybody."""


class KeptFunctionals(nn.Module):
    """Predicts functionals of utterances from their aligned tokens.

    Args:
        functionals: Of the feature that is kept, [utterances, kept].
        train: The training part, which decides the scale.
        text_dim: Width of the aligned tokens.
    """

    def __init__(self, functionals: pd.DataFrame, train: Sequence[str], text_dim: int) -> None:
        super().__init__()
        known = functionals.loc[list(train)].to_numpy(np.float64)
        scale = known.std(axis=0)
        scale[scale <= SMALLEST_SCALE] = np.inf
        scaled = (functionals.to_numpy(np.float64) - known.mean(axis=0)) / scale
        self._places = {str(name): place for place, name in enumerate(functionals.index)}
        self._targets = torch.from_numpy(np.asarray(scaled, dtype=np.float32))
        self.map = nn.Linear(2 * text_dim, functionals.shape[1])

    def forward(
        self,
        ids: Sequence[str],
        aligned: Float[Tensor, "tokens text_dim"],
        num_tokens: Int64[Tensor, " batch"],
    ) -> Float[Tensor, ""]:
        """Return the mean squared error over a batch.

        Args:
            ids: Its utterances.
            aligned: Their tokens, one utterance after the other.
            num_tokens: Tokens of each.
        """
        wanted = self._targets[[self._places[name] for name in ids]].to(aligned.device)
        predicted: Tensor = self.map(token_functionals(aligned, num_tokens))
        return (predicted - wanted).square().mean()


def token_functionals(
    aligned: Float[Tensor, "tokens text_dim"], num_tokens: Int64[Tensor, " batch"]
) -> Float[Tensor, "batch two_dim"]:
    """Return mean, then population standard deviation over the tokens of each utterance."""
    counts = num_tokens.to(aligned.device)
    owners = torch.arange(len(counts), device=aligned.device).repeat_interleave(counts)

    def means(values: Tensor) -> Tensor:
        sums = values.new_zeros(len(counts), values.shape[1]).index_add(0, owners, values)
        return sums / counts[:, None]

    mean = means(aligned)
    variance = means((aligned - mean[owners]).square())
    return torch.cat([mean, variance.clamp(min=SMALLEST_VARIANCE).sqrt()], dim=1)
