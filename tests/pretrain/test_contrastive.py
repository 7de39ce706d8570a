import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.pretrain.contrastive import plain_contrastive_loss, token_contrastive_loss


def literal(student: list[list[float]], teacher: list[list[float]], tau: float) -> float:
    """The paper's section 3.4, loop by loop, in plain Python floats."""
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


BOTH = pytest.mark.parametrize("loss", [plain_contrastive_loss, token_contrastive_loss])


@BOTH
@given(
    seed=st.integers(0, 2**16),
    tokens=st.integers(2, 7),
    dim=st.integers(1, 6),
    tau=st.floats(0.02, 2),
)
@settings(max_examples=40, deadline=None)
def test_it_is_the_papers_formula(loss, seed, tokens, dim, tau):
    g = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, tokens, dim, generator=g, dtype=torch.float64)
    expected = literal(student.tolist(), teacher.tolist(), tau)
    found = float(loss(student, teacher, tau))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def loss_and_gradient(loss, student, teacher, tau):
    student = student.clone().requires_grad_()
    value = loss(student, teacher, tau)
    return value.detach(), torch.autograd.grad(3 * value, student)[0]


@pytest.mark.parametrize("tokens", [1, 2, 127, 128, 129, 300])
@pytest.mark.parametrize("tau", [0.01, 0.07, 1.0])
def test_the_fast_loss_equals_the_plain_loss(tokens, tau):
    g = torch.Generator().manual_seed(tokens)
    student, teacher = torch.randn(2, tokens, 8, generator=g, dtype=torch.float64)
    for dtype, tolerance in ((torch.float64, 1e-11), (torch.float32, 1e-4)):
        pair = student.to(dtype), teacher.to(dtype)
        expected = loss_and_gradient(plain_contrastive_loss, *pair, tau)
        found = loss_and_gradient(token_contrastive_loss, *pair, tau)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * 1e-2)


def test_autocast_errors_are_those_of_the_plain_form():
    g = torch.Generator().manual_seed(0)
    teacher = torch.randn(200, 64, generator=g)
    student = teacher + torch.randn(200, 64, generator=g)
    truth = loss_and_gradient(plain_contrastive_loss, student.double(), teacher.double(), 0.07)
    for loss in (plain_contrastive_loss, token_contrastive_loss):
        with torch.autocast("cpu", torch.bfloat16):
            value, gradient = loss_and_gradient(loss, student, teacher, 0.07)
        assert gradient.dtype == torch.float32
        assert float((value.double() - truth[0]) / truth[0]) == pytest.approx(0, abs=0.02)
        assert float((gradient.double() - truth[1]).norm() / truth[1].norm()) < 0.05


@BOTH
def test_tokens_far_from_all_others_lose_no_precision(loss):
    teacher = torch.eye(4)
    student = -teacher  # every cosine is -1 or 0
    for dtype in (torch.float32, torch.float64):
        found = float(loss(student.to(dtype), teacher.to(dtype), 0.026))
        assert found == pytest.approx(literal(student.tolist(), teacher.tolist(), 0.026), rel=1e-5)


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
