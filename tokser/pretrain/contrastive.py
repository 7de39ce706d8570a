"""The token-by-token contrastive loss."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["token_contrastive_loss"]


def token_contrastive_loss(
    student: Float[Tensor, "tokens dim"],
    teacher: Float[Tensor, "tokens dim"],
    temperature: float,
) -> Float[Tensor, ""]:
    """L = -tau / 2b * sum_i [log softmax_j(s_ij)_i + log softmax_j(s_ji)_i].

    s_ij = cos(B_i, B_s_j) / tau, over all b tokens of the batch together: the same token at
    another place is a negative. The teacher gets no gradient.

    Args:
        student: B_s, valid tokens only.
        teacher: B, in the same order.
        temperature: tau, fixed.

    Returns:
        The loss, a scalar.

    Source: report, section 3.4.
    """
    similarities = functional.normalize(teacher.detach(), dim=-1) @ (
        functional.normalize(student, dim=-1).mT / temperature
    )
    targets = torch.arange(len(student), device=student.device)
    rows = functional.cross_entropy(similarities, targets)
    columns = functional.cross_entropy(similarities.mT, targets)
    return temperature / 2 * (rows + columns)
