"""How often a student token's nearest teacher token is its own: 1-NN match, MRR, recall."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from tokser.thread_team import map_in_team

__all__ = [
    "Retrieval",
    "find_equal",
    "query_upper_bound",
    "ranks",
    "retrieve",
    "within_utterance_matches",
]

BLOCK_ROWS = 1_024
"""Student tokens that are compared with all teacher tokens at a time."""

TIE = 1e-6
"""Cosines that differ by less are a tie: a matrix product rounds equal columns unequally."""
_EQUAL_COSINE = 1 - 1e-5
"""Cosine from which teacher tokens are one: float16 costs 1e-7, another context far more."""


@dataclass(frozen=True)
class Retrieval:
    """Retrieval of teacher tokens by student tokens, by cosine.

    Attributes:
        match_rate: Share whose nearest teacher token is their own (k-NN with k = 1).
        mrr: Mean reciprocal rank.
        recall_at_5: Share whose own is among the five nearest.
        chance: Match rate of guessing.
        num_tokens: Tokens on either side.
        matched: Which tokens these are, [tokens].
    """

    match_rate: float
    mrr: float
    recall_at_5: float
    chance: float
    num_tokens: int
    matched: Bool[Tensor, " tokens"] = field(repr=False, compare=False)


def ranks(
    student: Float[Tensor, "tokens dim"],
    teacher: Float[Tensor, "tokens dim"],
    block_rows: int = BLOCK_ROWS,
    equal: Int[Tensor, "pairs 2"] | None = None,
) -> Int[Tensor, " tokens"]:
    """Return the rank, from 1 on, of each student token's own teacher token.

    A tie counts against the student: of two equal teacher tokens neither is ever first.
    The comparison runs in blocks of rows, so memory grows with the number of tokens, not with
    its square.

    Args:
        student: B_s, one row per token.
        teacher: B, in the same order.
        block_rows: Student tokens compared at a time.
        equal: Pairs (i, j) where teacher token j is no candidate of token i, sorted by i.
    """
    student, teacher = functional.normalize(student, dim=-1), functional.normalize(teacher, dim=-1)

    def of_block(first: int) -> Tensor:
        similarities = student[first : first + block_rows] @ teacher.mT
        if equal is not None:
            here = (equal[:, 0] >= first) & (equal[:, 0] < first + block_rows)
            similarities[equal[here, 0] - first, equal[here, 1]] = -math.inf
        rows = torch.arange(len(similarities), device=similarities.device)
        own = similarities[rows, first + rows]
        return (similarities >= own[:, None] - TIE).sum(dim=1)

    return torch.cat(map_in_team(of_block, range(0, len(student), block_rows)))


def find_equal(
    teacher: Float[Tensor, "tokens dim"], block_rows: int = BLOCK_ROWS
) -> Int[Tensor, "pairs 2"]:
    """Return the pairs (i, j), i != j, of teacher tokens that are equal up to rounding.

    They occur where one sentence was read more than once. Both (i, j) and (j, i) are there.
    """
    teacher = functional.normalize(teacher, dim=-1)

    def of_block(first: int) -> Tensor:
        similarities = teacher[first : first + block_rows] @ teacher.mT
        similarities.diagonal(first).fill_(-math.inf)
        pairs = (similarities >= _EQUAL_COSINE).nonzero()
        pairs[:, 0] += first
        return pairs

    return torch.cat(map_in_team(of_block, range(0, len(teacher), block_rows)))


def retrieve(
    student: Float[Tensor, "tokens dim"],
    teacher: Float[Tensor, "tokens dim"],
    block_rows: int = BLOCK_ROWS,
    equal: Int[Tensor, "pairs 2"] | None = None,
) -> Retrieval:
    """Rank all teacher tokens for every student token.

    Teacher tokens equal to its own are neither matches nor errors, for no student could tell
    them apart: they are no candidates.

    Args:
        student: B_s.
        teacher: B, in the same order.
        block_rows: Student tokens compared at a time.
        equal: What `find_equal` returns for this teacher; computed here if not given.

    Source: paper, section 4.3 (match rate, k = 1).
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
        matched=found == 1,
    )


def within_utterance_matches(
    student: Float[Tensor, "tokens dim"],
    teacher: Float[Tensor, "tokens dim"],
    num_tokens: Sequence[int],
) -> Bool[Tensor, " tokens"]:
    """Tell which tokens match their own, among the teacher tokens of their own utterance.

    Args:
        student: All utterances' tokens, one after the other.
        teacher: In the same order.
        num_tokens: Tokens of each utterance.
    """
    sizes = list(num_tokens)
    pairs = zip(torch.split(student, sizes), torch.split(teacher, sizes), strict=True)
    return torch.cat([ranks(own_student, own_teacher) == 1 for own_student, own_teacher in pairs])


def query_upper_bound(
    queries: Float[Tensor, "tokens query_dim"],
    teacher: Float[Tensor, "tokens dim"],
    equal: Int[Tensor, "pairs 2"] | None = None,
) -> float:
    """Return the match rate that no map of a query by itself can exceed.

    Such a map, the text-only baseline for one, gives equal queries one student. It is nearest to
    one teacher token, so of all tokens with that query those match whose teacher tokens equal this
    one: at most the largest group of equal teacher tokens. A sentence that was read k times gives
    groups of k.

        max = 1 / N sum_q max_b |{i: T_i = q, B_i = b}|

    Args:
        queries: T, one row per token.
        teacher: B, in the same order.
        equal: What `find_equal` returns for this teacher; computed here if not given.
    """
    equal = (find_equal(teacher) if equal is None else equal).cpu()
    groups = torch.arange(len(teacher))
    groups.scatter_reduce_(0, equal[:, 0], equal[:, 1], "amin")  # the first of its equals
    of_query = torch.unique(queries, dim=0, return_inverse=True)[1].cpu()
    pairs, sizes = torch.unique(of_query * len(teacher) + groups, return_counts=True)
    largest = torch.zeros(len(teacher), dtype=sizes.dtype)
    largest.scatter_reduce_(0, pairs // len(teacher), sizes, "amax")
    return float(largest.sum()) / len(teacher)
