"""How often a student token's nearest teacher token is its own: 1-NN match, MRR, recall."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

__all__ = ["Retrieval", "ranks", "retrieve", "within_utterance_match_rate"]

BLOCK_ROWS = 1_024
"""Student tokens that are compared with all teacher tokens at a time."""


@dataclass(frozen=True)
class Retrieval:
    """Student tokens looking for their teacher tokens, by cosine.

    Attributes:
        match_rate: Share whose nearest teacher token is their own (k-NN with k = 1).
        mrr: Mean reciprocal rank.
        recall_at_5: Share whose own is among the five nearest.
        chance: Match rate of guessing.
        num_tokens: Tokens on either side.
    """

    match_rate: float
    mrr: float
    recall_at_5: float
    chance: float
    num_tokens: int


def ranks(
    student: Float[Tensor, "tokens dim"],
    teacher: Float[Tensor, "tokens dim"],
    block_rows: int = BLOCK_ROWS,
) -> Int[Tensor, " tokens"]:
    """Return the rank, from 1 on, of each student token's own teacher token.

    A tie counts against the student. The comparison runs in blocks of rows, so memory grows
    with the number of tokens, not with its square.
    """
    student, teacher = functional.normalize(student, dim=-1), functional.normalize(teacher, dim=-1)
    found = []
    for first in range(0, len(student), block_rows):
        similarities = student[first : first + block_rows] @ teacher.mT
        rows = torch.arange(len(similarities), device=similarities.device)
        own = similarities[rows, first + rows]
        found.append((similarities >= own[:, None]).sum(dim=1))
    return torch.cat(found)


def retrieve(
    student: Float[Tensor, "tokens dim"],
    teacher: Float[Tensor, "tokens dim"],
    block_rows: int = BLOCK_ROWS,
) -> Retrieval:
    """Let every student token look among all teacher tokens.

    Source: report, section 4.3 (match rate, k = 1).
    """
    found = ranks(student, teacher, block_rows).double()
    return Retrieval(
        match_rate=float((found == 1).double().mean()),
        mrr=float((1 / found).mean()),
        recall_at_5=float((found <= 5).double().mean()),
        chance=1 / len(student),
        num_tokens=len(student),
    )


def within_utterance_match_rate(
    student: Float[Tensor, "tokens dim"],
    teacher: Float[Tensor, "tokens dim"],
    num_tokens: Sequence[int],
) -> float:
    """Return the match rate where a token only looks among those of its own utterance.

    Args:
        student: All utterances' tokens, one after the other.
        teacher: In the same order.
        num_tokens: Tokens of each utterance.
    """
    hits, sizes = 0, list(num_tokens)
    for own_student, own_teacher in zip(
        torch.split(student, sizes), torch.split(teacher, sizes), strict=True
    ):
        hits += int((ranks(own_student, own_teacher) == 1).sum())
    return hits / max(len(student), 1)
