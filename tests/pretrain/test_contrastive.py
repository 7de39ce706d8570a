import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.pretrain.contrastive import token_contrastive_loss


def literal(student: list[list[float]], teacher: list[list[float]], tau: float) -> float:
    """The report's section 3.4, loop by loop, in plain Python floats."""
    b = len(student)

    def s(i: int, j: int) -> float:
        dot = sum(x * y for x, y in zip(teacher[i], student[j], strict=True))
        return dot / (tau * math.hypot(*teacher[i]) * math.hypot(*student[j]))

    total = 0.0
    for i in range(b):
        own = math.exp(s(i, i))
        total += math.log(own / sum(math.exp(s(i, j)) for j in range(b)))
        total += math.log(own / sum(math.exp(s(j, i)) for j in range(b)))
    return -tau / (2 * b) * total


@given(
    seed=st.integers(0, 2**16),
    tokens=st.integers(2, 7),
    dim=st.integers(1, 6),
    tau=st.floats(0.05, 2),
)
@settings(max_examples=40, deadline=None)
def test_it_is_the_reports_formula(seed, tokens, dim, tau):
    g = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, tokens, dim, generator=g, dtype=torch.float64)
    expected = literal(student.tolist(), teacher.tolist(), tau)
    found = float(token_contrastive_loss(student, teacher, tau))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_teacher_gets_no_gradient_and_the_student_does():
    student, teacher = torch.randn(2, 5, 4).unbind()
    student, teacher = student.clone().requires_grad_(), teacher.clone().requires_grad_()
    token_contrastive_loss(student, teacher, 0.07).backward()
    assert teacher.grad is None
    assert student.grad is not None and student.grad.abs().sum() > 0


def test_an_equal_token_at_another_place_is_a_negative():
    teacher = torch.eye(3)
    twice = torch.cat([teacher, teacher[:1]])
    assert token_contrastive_loss(twice, twice, 0.07) > token_contrastive_loss(
        teacher, teacher, 0.07
    )


def test_only_directions_count():
    student, teacher = torch.randn(2, 6, 4, dtype=torch.float64).unbind()
    scaled = token_contrastive_loss(student * 30, teacher / 7, 0.07)
    torch.testing.assert_close(scaled, token_contrastive_loss(student, teacher, 0.07))


def test_the_order_of_the_tokens_does_not_count():
    student, teacher = torch.randn(2, 9, 4, dtype=torch.float64).unbind()
    order = torch.randperm(9)
    torch.testing.assert_close(
        token_contrastive_loss(student[order], teacher[order], 0.07),
        token_contrastive_loss(student, teacher, 0.07),
    )
