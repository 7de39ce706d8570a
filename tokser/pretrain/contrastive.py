"""The token-by-token contrastive loss: as written, and from one exponential per similarity."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from tokser.pretrain.attention import is_compiled
from tokser.thread_team import map_in_team

__all__ = ["plain_contrastive_loss", "token_contrastive_loss"]

Tokens = Float[Tensor, "tokens dim"]

_BLOCK_ROWS = 128
"""Teacher tokens whose similarities are computed at a time: they stay in the CPU's cache."""
_MOST_NEGATIVE_EXPONENT = 80.0
"""exp(-80) is still an ordinary float32."""


def plain_contrastive_loss(
    student: Tokens, teacher: Tokens, temperature: float
) -> Float[Tensor, ""]:
    """L = -tau / 2b * sum_i [log softmax_j(s_ij)_i + log softmax_j(s_ji)_i]; the reference form.

    s_ij = cos(B_i, B_s_j) / tau, over all b tokens of the batch together: the same token at
    another place is a negative. The teacher gets no gradient.

    Args:
        student: B_s.
        teacher: B, in the same order.
        temperature: tau, fixed.

    Returns:
        The loss, a scalar.

    Source: paper, section 3.4.
    """
    similarities = functional.normalize(teacher.detach(), dim=-1) @ (
        functional.normalize(student, dim=-1).mT / temperature
    )
    targets = torch.arange(len(student), device=student.device)
    rows = functional.cross_entropy(similarities, targets)
    columns = functional.cross_entropy(similarities.mT, targets)
    return temperature / 2 * (rows + columns)


def token_contrastive_loss(
    student: Tokens, teacher: Tokens, temperature: float
) -> Float[Tensor, ""]:
    """Return what `plain_contrastive_loss` returns, from one exponential of each similarity.

    A cosine is at most 1, so exp(s_ij - 1/tau) never overflows, and the sums over rows and over
    columns come from the same numbers; at temperatures where it may vanish the plain form is taken.
    Under autocast the products are made in its type, sums and
    gradients of the softmax in float32.
    """
    kind = student.device.type
    autocast = torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if autocast else student.dtype
    if 2 / temperature > _MOST_NEGATIVE_EXPONENT:
        return plain_contrastive_loss(student, teacher, temperature)
    with torch.autocast(kind, enabled=False):
        exact = student.float() if autocast else student
        unit = functional.normalize(exact, dim=-1).to(dtype)
        target = functional.normalize(teacher.detach(), dim=-1).to(dtype)
        loss: Tensor = _Symmetric.apply(unit, target, temperature)
        return loss


class _Symmetric(torch.autograd.Function):
    """Both cross-entropies of unit vectors, by blocks of rows."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        count = len(student)
        if is_compiled(student):  # for sizes that recur
            more = (0, 0, 0, -count % _BLOCK_ROWS)
            student, teacher = functional.pad(student, more), functional.pad(teacher, more)
        wide = torch.promote_types(student.dtype, torch.float32)
        powers = torch.empty(len(student), len(student), dtype=wide, device=student.device)
        rows = powers.new_empty(len(student))
        own = powers.new_empty(len(student))

        def compare(here: slice) -> Tensor:
            first, block = here.start, powers[here]
            block.copy_(teacher[here] @ student.mT)
            own[here] = block.diagonal(first)
            block.sub_(1).mul_(1 / temperature).exp_()
            block[:, count:] = 0
            block[max(0, count - first) :] = 0
            torch.sum(block, dim=1, out=rows[here])
            return block.sum(dim=0)

        columns = powers.new_zeros(len(student))
        for of_block in map_in_team(compare, _blocks(len(student), student.device)):
            columns += of_block
        rows[count:], columns[count:] = 1, 1  # of padding, which has no weight
        ctx.save_for_backward(teacher, powers, rows, columns)
        ctx.temperature, ctx.count = temperature, count
        entropies = (rows.log().sum() + columns.log().sum()) / count
        return temperature / 2 * entropies + (1 - own[:count]).mean()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        teacher, powers, rows, columns = ctx.saved_tensors
        by_column, by_row = 1 / columns, 1 / rows[:, None]
        found, scale = torch.empty_like(teacher), grads[0] / (2 * ctx.count)

        def differentiate(here: slice) -> None:
            block = powers[:, here] * (by_column[here] + by_row)
            block[here].diagonal().sub_(2)
            torch.mm(block.to(teacher.dtype).mT, teacher, out=found[here]).mul_(scale)

        map_in_team(differentiate, _blocks(len(teacher), teacher.device))
        return found[: ctx.count], None, None


def _blocks(count: int, device: torch.device) -> list[slice]:
    """Cut rows for the CPU's cache; a GPU takes them all at once."""
    rows = _BLOCK_ROWS if device.type == "cpu" else count
    return [slice(first, min(first + rows, count)) for first in range(0, count, rows)]
