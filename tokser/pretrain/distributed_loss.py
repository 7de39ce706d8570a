"""The loss over the tokens of all processes, and tensors that they share."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed
from torch.nn import functional

from tokser.pretrain.contrastive import token_contrastive_loss

__all__ = ["gather_rows", "gathered_loss", "local_loss", "num_ranks", "this_rank"]

Tokens = Float[Tensor, "tokens dim"]


def num_ranks() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def this_rank() -> int:
    """Return this process's number, from 0 on."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def gather_rows(rows: Tensor) -> list[Tensor]:
    """Return the rows of every process, in order of rank; their numbers may differ.

    They carry no gradient.
    """
    if num_ranks() == 1:
        return [rows.detach()]
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(num_ranks())]
    distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    numbers = [int(count) for count in counts]
    padded = rows.new_zeros(max(numbers), *rows.shape[1:])
    padded[: len(rows)] = rows.detach()
    parts = [torch.empty_like(padded) for _ in numbers]
    distributed.all_gather(parts, padded)
    return [part[:number] for part, number in zip(parts, numbers, strict=True)]


def gathered_loss(
    student: Tokens, teacher: Tokens, temperature: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the loss over the tokens of all processes; every process computes all of it.

    Each process's own students carry a gradient, and the whole loss depends on them, so no
    gradient is communicated.

    Args:
        student: B_s of this process.
        teacher: B of this process.
        temperature: tau.

    Returns:
        The loss, and what to differentiate: the mean of its gradients over processes, which is
        what DDP takes, is the gradient of the loss over the joined batch.
    """
    if num_ranks() == 1:
        loss = token_contrastive_loss(student, teacher, temperature)
        return loss.detach(), loss
    students, teachers = gather_rows(student), gather_rows(teacher)
    students[this_rank()] = student
    loss = token_contrastive_loss(torch.cat(students), torch.cat(teachers), temperature)
    return loss.detach(), num_ranks() * loss


def local_loss(
    student: Tokens, teacher: Tokens, temperature: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return what `gathered_loss` returns, where every process computes its own rows of it.

    That is 1/n of the similarities for each of n processes; the students' gradients are summed
    over processes.
    """
    if num_ranks() == 1:
        return gathered_loss(student, teacher, temperature)
    students, counts = _gather_with_gradient(functional.normalize(student, dim=-1))
    teachers = torch.cat(gather_rows(functional.normalize(teacher, dim=-1)))
    first = sum(counts[: this_rank()])
    own = slice(first, first + len(student))
    targets = torch.arange(own.start, own.stop, device=student.device)
    by_teacher = functional.cross_entropy(
        teachers[own] @ students.mT / temperature, targets, reduction="sum"
    )
    by_student = functional.cross_entropy(
        students[own] @ teachers.mT / temperature, targets, reduction="sum"
    )
    part = temperature / (2 * sum(counts)) * (by_teacher + by_student)
    whole = part.detach().clone()
    distributed.all_reduce(whole)
    return whole, num_ranks() * part


def _gather_with_gradient(rows: Tokens) -> tuple[Tokens, list[int]]:
    counts = [len(part) for part in gather_rows(rows[:, :1])]
    padded = functional.pad(rows, (0, 0, 0, max(counts) - len(rows)))
    parts = _Gather.apply(padded)
    return torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)]), counts


class _Gather(torch.autograd.Function):
    """Rows of every process; a process's gradient is the sum over all processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(num_ranks())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous()
        distributed.all_reduce(total)
        return total[this_rank()]
