"""How often a student token's nearest teacher token is its own: 1-NN match, MRR, recall."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

__all__ = ["Retrieval", "find_equal", "ranks", "retrieve", "within_utterance_match_rate"]

BLOCK_ROWS = 1_024
"""Student tokens that are compared with all teacher tokens at a time."""

TIE = 1e-6
"""Cosines that differ by less are a tie: a matrix product rounds equal columns unequally."""
_EQUAL_COSINE = 1 - 1e-5
"""Cosine from which teacher tokens are one: float16 costs 1e-7, another context far more."""


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
    equal: Int[Tensor, "pairs 2"] | None = None,
) -> Int[Tensor, " tokens"]:
    """Return the rank, from 1 on, of each student token's own teacher token.

    A tie counts against the student: where two teacher tokens are equal, neither can be found.
    The comparison runs in blocks of rows, so memory grows with the number of tokens, not with
    its square.

    Args:
        student: B_s, one row per token.
        teacher: B, in the same order.
        block_rows: Student tokens compared at a time.
        equal: Pairs (i, j) where token i does not look at teacher token j, sorted by i.
    """
    student, teacher = functional.normalize(student, dim=-1), functional.normalize(teacher, dim=-1)
    found = []
    for first in range(0, len(student), block_rows):
        similarities = student[first : first + block_rows] @ teacher.mT
        if equal is not None:
            here = (equal[:, 0] >= first) & (equal[:, 0] < first + block_rows)
            similarities[equal[here, 0] - first, equal[here, 1]] = -math.inf
        rows = torch.arange(len(similarities), device=similarities.device)
        own = similarities[rows, first + rows]
        found.append((similarities >= own[:, None] - TIE).sum(dim=1))
    return torch.cat(found)


def find_equal(
    teacher: Float[Tensor, "tokens dim"], block_rows: int = BLOCK_ROWS
) -> Int[Tensor, "pairs 2"]:
    """Return the pairs (i, j), i != j, of teacher tokens that are equal up to rounding.

    They occur where one sentence was read more than once. Both (i, j) and (j, i) are there.
    """
    teacher = functional.normalize(teacher, dim=-1)
    found = []
    for first in range(0, len(teacher), block_rows):
        similarities = teacher[first : first + block_rows] @ teacher.mT
        similarities.diagonal(first).fill_(-math.inf)
        pairs = (similarities >= _EQUAL_COSINE).nonzero()
        pairs[:, 0] += first
        found.append(pairs)
    return torch.cat(found)


def retrieve(
    student: Float[Tensor, "tokens dim"],
    teacher: Float[Tensor, "tokens dim"],
    block_rows: int = BLOCK_ROWS,
    equal: Int[Tensor, "pairs 2"] | None = None,
) -> Retrieval:
    """Let every student token look among all teacher tokens.

    Teacher tokens equal to its own are neither right nor wrong, for no student could tell
    them apart: a token does not look at them.

    Args:
        student: Tokens that look.
        teacher: Tokens that are looked for, in the same order.
        block_rows: Student tokens compared at a time.
        equal: What `find_equal` returns for this teacher; found here if not given.

    Source: report, section 4.3 (match rate, k = 1).
    """
    equal = find_equal(teacher, block_rows) if equal is None else equal
    found = ranks(student, teacher, block_rows, equal).double()
    num_seen = len(teacher) - torch.bincount(equal[:, 0], minlength=len(teacher))
    return Retrieval(
        match_rate=float((found == 1).double().mean()),
        mrr=float((1 / found).mean()),
        recall_at_5=float((found <= 5).double().mean()),
        chance=float((1 / num_seen.double()).mean()),
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
