"""Chunks on any number of threads give what the whole batch gives."""

import itertools

import pytest
import torch
from torch import nn

from tokser.config import PretrainSettings
from tokser.pretrain.batches import Batch
from tokser.pretrain.chunks import MOST_CHUNKS, align_in_chunks, in_chunks, spans_of
from tokser.pretrain.contrastive import plain_contrastive_loss, token_contrastive_loss
from tokser.pretrain.module import AlignerModule
from tokser.pretrain.variants import ALIGNERS, build_aligner
from tokser.thread_team import thread_team
from tokser.threads import use_threads

CPU = torch.device("cpu")
COUNT = 40
TOKENS = [1 + i % 5 for i in range(COUNT)]
FRAMES = [5 + 7 * i % 31 for i in range(COUNT)]
SMALL = {
    "sunder": {"heads": 2, "ffn": 8, "dropout": 0.5},
    "listener": {"heads": 2, "rank": 2, "global_queries": 3},
}


def build(variant, layers=1):
    torch.manual_seed(0)
    return build_aligner(variant, 4, 6, layers, SMALL.get(variant, {})).double()


@pytest.fixture
def batch(inputs):
    given = inputs(TOKENS, FRAMES, layers=3)
    return given._replace(queries=given.queries.double(), speech=given.speech.double())


def with_gradients(compute, modules):
    outputs = compute()
    total = sum(
        (found * torch.linspace(-1, 1, found.numel()).reshape(found.shape)).sum()
        for found in outputs
    )
    weights = [one for module in modules for one in module.parameters()]
    return outputs, torch.autograd.grad(total, weights)


@pytest.mark.parametrize("variant", ALIGNERS)
def test_chunks_give_the_batchs_students_and_gradients(variant, batch):
    aligner, text_only = build(variant, layers=3).eval(), nn.Linear(4, 4).double()
    both = [aligner, text_only]

    def forward(part):
        return aligner(part), text_only(part.queries)

    outputs, gradients = with_gradients(lambda: forward(batch), both)
    for number in (1, 3):
        with use_threads(number), thread_team(CPU):
            found = with_gradients(lambda: in_chunks(both, forward, batch), both)
        torch.testing.assert_close(found[0], outputs)
        torch.testing.assert_close(found[1], gradients)


@pytest.mark.parametrize("variant", ALIGNERS)
def test_the_number_of_threads_changes_no_bit(variant, batch):
    aligner, found = build(variant, layers=3), []
    for number in (1, 2, 5):
        torch.manual_seed(1)
        with use_threads(number), thread_team(CPU):
            found.append(with_gradients(lambda: (align_in_chunks(aligner, batch),), [aligner]))
    for outputs, gradients in found[1:]:
        assert all(torch.equal(*pair) for pair in zip(outputs, found[0][0], strict=True))
        assert all(torch.equal(*pair) for pair in zip(gradients, found[0][1], strict=True))


def test_without_gradients_nothing_is_kept(batch):
    aligner = build("paper", layers=3)
    with use_threads(2), thread_team(CPU), torch.no_grad():
        found = align_in_chunks(aligner, batch)
    assert found.grad_fn is None
    torch.testing.assert_close(found, aligner(batch).detach())


def test_chunks_are_whole_utterances_of_nearly_equal_length(inputs):
    spans = spans_of(inputs(TOKENS, FRAMES))
    assert len(spans) <= MOST_CHUNKS
    assert [spans[0][0], spans[-1][1]] == [0, COUNT]
    assert all(after == first for (_, after), (first, _) in itertools.pairwise(spans))
    sizes = [sum(FRAMES[first:after]) for first, after in spans]
    assert max(sizes) <= sum(FRAMES) / MOST_CHUNKS + max(FRAMES)


@pytest.mark.parametrize("lengths", [[5], [1, 1], [900, 1, 1], [1, 1, 900]])
def test_few_utterances_are_chunks_too(inputs, lengths):
    spans = spans_of(inputs([2] * len(lengths), lengths))
    covered = [place for first, after in spans for place in range(first, after)]
    assert covered == [*range(len(lengths))]
    assert all(first < after for first, after in spans)


def test_a_team_computes_the_plain_loss_and_its_gradient():
    torch.manual_seed(0)
    student, teacher = torch.randn(300, 8), torch.randn(300, 8)

    def of(loss):
        given = student.clone().requires_grad_()
        value = loss(given, teacher, 0.07)
        value.backward()
        return value.detach(), given.grad

    expected, found = of(plain_contrastive_loss), []
    for number in (1, 3):
        with use_threads(number), thread_team(CPU):
            found.append(of(token_contrastive_loss))
        torch.testing.assert_close(found[-1], expected, rtol=1e-4, atol=1e-7)
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_step_by_a_team_is_the_step_of_one_thread(inputs, tmp_path, precision):
    given = inputs(TOKENS, FRAMES, text_dim=8)
    teacher = torch.randn(len(given.queries), 8, generator=torch.Generator().manual_seed(3))
    names = [f"utt{number}" for number in range(COUNT)]
    settings = PretrainSettings(store="s", out=tmp_path / "run", text_only=True)
    found = {}
    for number in (0, 1, 3):
        torch.manual_seed(0)
        module = AlignerModule(build_aligner("paper", 8, 6, 1, {}), settings)
        module.log = lambda *arguments, **options: None
        team = thread_team(CPU if number else torch.device("meta"))
        is_short = precision == "bf16"
        with use_threads(number or 1), team:
            with torch.autocast("cpu", torch.bfloat16, enabled=is_short):
                loss = module.training_step(Batch(names, given, teacher), 0)
            loss.backward()
        found[number] = [loss.detach(), *(one.grad for one in module.parameters())]
    rtol, atol = (0.05, 1e-3) if precision == "bf16" else (1e-4, 1e-6)
    torch.testing.assert_close(found[1], found[0], rtol=rtol, atol=atol)
    assert all(torch.equal(*pair) for pair in zip(found[1], found[3], strict=True))
