import math
from pathlib import Path

import pytest
import torch

from tokser.config import PretrainSettings
from tokser.errors import RunError
from tokser.pretrain.batches import Batch, DevBatch
from tokser.pretrain.contrastive import token_contrastive_loss
from tokser.pretrain.module import AlignerModule, learning_rate_at
from tokser.pretrain.paper import PaperAligner

SETTINGS = PretrainSettings(store="s", out=Path("o"), learning_rate=1e-3, text_only=False)


@pytest.fixture
def make_batch(inputs):
    def make(num_tokens: list[int], seed: int = 0) -> Batch:
        given = inputs(num_tokens, [8] * len(num_tokens), seed=seed)
        g = torch.Generator().manual_seed(seed + 100)
        teacher = torch.randn(given.queries.shape, generator=g)
        return Batch([f"utt{i}" for i in range(len(num_tokens))], given, teacher)

    return make


@pytest.fixture
def module(monkeypatch) -> AlignerModule:
    torch.manual_seed(0)
    made = AlignerModule(PaperAligner(4, 6), SETTINGS)
    for name in ("log", "log_dict"):  # there is no trainer
        monkeypatch.setattr(made, name, lambda *args, **kwargs: None)
    return made


def test_the_loss_runs_over_all_tokens_of_the_batch_together(module, make_batch):
    batch = make_batch([3, 1, 2])
    expected = token_contrastive_loss(module.aligner(batch.inputs), batch.teacher, 0.07)
    torch.testing.assert_close(module.training_step(batch, 0), expected)


def test_a_lone_token_is_an_error_that_names_its_utterance(module, make_batch):
    with pytest.raises(RunError, match=r"utt0: expected at least two tokens.*--batch-size"):
        module.training_step(make_batch([1]), 0)


def test_a_loss_not_finite_names_the_utterances(module, make_batch, monkeypatch):
    monkeypatch.setattr(AlignerModule, "current_epoch", 4)
    with torch.no_grad():
        module.aligner.w_v.fill_(math.nan)
    with pytest.raises(RunError, match="epoch 5, batch of utt0, utt1: expected a finite loss"):
        module.training_step(make_batch([2, 2]), 0)


def test_scores_compare_matched_with_mismatched_speech(module, make_batch):
    matched, other = make_batch([3, 2]), make_batch([3, 2], seed=1)
    perfect = matched._replace(teacher=module.aligner(matched.inputs).detach())
    mismatched = perfect._replace(inputs=matched.inputs._replace(speech=other.inputs.speech))
    module.validation_step(DevBatch(perfect, mismatched), 0)
    module.on_validation_epoch_end()
    scores = module.scores
    assert scores["dev_match_rate"] == scores["dev_match_rate_within"] == scores["dev_mrr"] == 1
    assert scores["dev_match_rate_mismatched"] < 1
    assert scores["speech_gain"] == pytest.approx(1 - scores["dev_match_rate_mismatched"])
    assert scores["dev_chance"] == pytest.approx(1 / 5)


def test_a_validation_forgets_the_one_before(module, make_batch):
    batch = make_batch([3, 2])
    found = []
    for _ in range(2):
        module.validation_step(DevBatch(batch, batch), 0)
        module.on_validation_epoch_end()
        found.append(module.scores)
    assert found[0] == pytest.approx(found[1], rel=0, abs=0, nan_ok=True)  # too few for intervals


def test_the_mean_loss_covers_steps_since_the_last_call(module, make_batch):
    assert math.isnan(module.mean_train_loss())
    losses = [float(module.training_step(make_batch([3, 2], seed=s), 0).detach()) for s in (0, 1)]
    assert module.mean_train_loss() == pytest.approx(sum(losses) / 2)
    assert math.isnan(module.mean_train_loss())


def test_the_optimiser_is_adam_at_the_rate_that_was_set(module):
    optimizer = module.configure_optimizers()
    assert type(optimizer) is torch.optim.Adam
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3]


def test_the_text_only_baseline_does_not_change_the_aligner(make_batch, monkeypatch):
    weights = {}
    for text_only in (False, True):
        torch.manual_seed(0)
        settings = SETTINGS.model_copy(update={"text_only": text_only, "clip_norm": 1e-3})
        made = AlignerModule(PaperAligner(4, 6), settings)
        monkeypatch.setattr(made, "log", lambda *args, **kwargs: None)
        before = {name: p.detach().clone() for name, p in made.named_parameters()}
        optimizer = made.configure_optimizers()
        for seed in range(3):
            made.training_step(make_batch([3, 2], seed), 0).backward()
            made.configure_gradient_clipping(optimizer)
            optimizer.step()
            optimizer.zero_grad()
        weights[text_only] = made.aligner.state_dict()
        assert all(not torch.equal(p.detach(), before[name]) for name, p in made.named_parameters())
    for name, weight in weights[False].items():
        torch.testing.assert_close(weights[True][name], weight, rtol=0, atol=0)


def test_gradients_are_clipped_to_the_norm(make_batch, module, monkeypatch):
    monkeypatch.setattr(module, "_settings", SETTINGS.model_copy(update={"clip_norm": 1e-3}))
    module.training_step(make_batch([3, 2]), 0).backward()
    module.configure_gradient_clipping(module.configure_optimizers())
    norms = torch.stack([p.grad.norm() for p in module.aligner.parameters()])
    assert float(norms.norm()) == pytest.approx(1e-3, rel=1e-3)


def test_the_learning_rate_rises_then_stays_or_falls():
    def rates(schedule, warmup=2, steps=6):
        options = {"warmup": warmup, "schedule": schedule}
        return [learning_rate_at(step, steps, **options) for step in range(steps)]

    assert rates("constant") == [0.5, 1, 1, 1, 1, 1]
    assert rates("linear") == [0.5, 1, 1, 0.75, 0.5, 0.25]
    assert rates("cosine")[2:] == pytest.approx(
        [(1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)]
    )
    assert rates("linear", warmup=0)[0] == 1
