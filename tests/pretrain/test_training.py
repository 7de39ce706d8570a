import os
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tokser.errors import RunError
from tokser.pretrain.batches import Pairs
from tokser.pretrain.history import History
from tokser.pretrain.module import HEADLINE, AlignerModule
from tokser.pretrain.report import ReportAligner
from tokser.pretrain.training import Batches, train

IDS = [f"u{i}" for i in range(12)]
TRAIN, WRONG = IDS[:8], dict(zip(IDS[8:], [*IDS[9:], IDS[8]], strict=True))


@pytest.fixture
def data(memory) -> Batches:
    rng = np.random.default_rng(0)
    teacher = {u: rng.normal(size=(4, 6)) for u in IDS}
    words = {u: rng.normal(size=(4, 6)) for u in IDS}
    speech = {u: np.hstack([5 * words[u], teacher[u]]).repeat(2, axis=0) for u in IDS}
    pairs = Pairs(
        (memory("s", speech),), memory("t/word", words), memory("t/contextual", teacher), True
    )
    return Batches(pairs, TRAIN, WRONG, batch_size=3, seed=0)


def module() -> AlignerModule:
    torch.manual_seed(0)
    return AlignerModule(ReportAligner(6, 12), 0.07, 1e-2)


def run(data: Batches, out, epochs: int = 2) -> History:
    history = History(out, epochs)
    train(module(), data, history, epochs=epochs, device=torch.device("cpu"))
    return history


def in_step(monkeypatch, epoch: int, act) -> None:
    """Do something in the second training step of an epoch."""
    step = AlignerModule.training_step

    def patched(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (epoch, 1):
            act()
        return step(self, batch, batch_idx)

    monkeypatch.setattr(AlignerModule, "training_step", patched)


def interrupt():
    raise KeyboardInterrupt


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def handlers():
    """Puts the signal handlers back, whatever a test's subject leaves."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("act", [interrupt, terminate])
def test_a_stop_is_a_stop_and_the_next_call_ends_as_if_there_had_been_none(
    data, tmp_path, monkeypatch, handlers, act
):
    whole = run(data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        in_step(patch, 1, act)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "cut")
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    cut = run(data, tmp_path / "cut")
    assert cut.table.read_text() == whole.table.read_text()
    assert cut.best.read_bytes() == whole.best.read_bytes()


def test_a_run_that_was_moved_while_stopped_still_knows_its_best_epoch(data, tmp_path, monkeypatch):
    score = AlignerModule.on_validation_epoch_end

    def fall(self):
        score(self)
        self.scores[HEADLINE] = 0.5 - 0.1 * self.current_epoch

    monkeypatch.setattr(AlignerModule, "on_validation_epoch_end", fall)
    before = run(data, tmp_path / "here", epochs=1).best.read_bytes()
    (tmp_path / "here").rename(tmp_path / "there")
    history = run(data, tmp_path / "there", epochs=3)
    assert history.best_row()["epoch"] == 1
    assert history.best.read_bytes() == before


def test_of_epochs_that_score_the_same_the_first_is_the_best(data, tmp_path, monkeypatch):
    def same(self):
        self.scores = dict.fromkeys((HEADLINE, "dev_match_rate_shuffled", "dev_chance"), 0.5)

    monkeypatch.setattr(AlignerModule, "on_validation_epoch_end", same)
    once, twice = run(data, tmp_path / "once", epochs=1), run(data, tmp_path / "twice", epochs=2)
    assert twice.best_row()["epoch"] == 1
    assert twice.best.read_bytes() == once.best.read_bytes()


def test_the_table_tells_the_documented_scores(data, tmp_path):
    table = pd.read_csv(run(data, tmp_path).table)
    assert list(table) == [
        "epoch",
        "train_loss",
        "dev_match_rate",
        "dev_match_rate_shuffled",
        "speech_gain",
        "dev_match_rate_within",
        "dev_mrr",
        "dev_recall_at_5",
        "dev_chance",
    ]
    assert table["epoch"].tolist() == [0, 1, 2]


def test_a_loss_that_is_not_finite_names_the_epoch_and_the_utterances(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tokser.pretrain.module.token_contrastive_loss",
        lambda student, teacher, temperature: student.sum() * float("nan"),
    )
    with pytest.raises(
        RunError, match=r"epoch 1, batch of u\d, u\d.*a finite loss, got nan"
    ) as got:
        run(data, tmp_path)
    assert got.value.exit_code == 1
    assert not (tmp_path / "checkpoints").exists()


def test_each_epoch_has_an_order_of_its_own(data, tmp_path, monkeypatch):
    step, seen = AlignerModule.training_step, {}

    def watch(self, batch, batch_idx):
        seen.setdefault(self.current_epoch, []).append(batch.ids)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(AlignerModule, "training_step", watch)
    run(data, tmp_path, epochs=3)
    for batches in seen.values():
        assert sorted(name for batch in batches for name in batch) == sorted(TRAIN)
    assert seen[0] != seen[1] != seen[2]


def test_weights_that_are_kept_are_those_of_the_epoch(data, tmp_path, monkeypatch):
    at_end = []
    score = AlignerModule.on_validation_epoch_end

    def rise(self):
        score(self)
        self.scores[HEADLINE] = 0.1 * self.current_epoch
        at_end.append({k: v.clone() for k, v in self.aligner.state_dict().items()})

    monkeypatch.setattr(AlignerModule, "on_validation_epoch_end", rise)
    history = run(data, tmp_path, epochs=3)
    kept = load_file(history.best)
    assert history.best_row()["epoch"] == 3
    assert all(torch.equal(kept[name], at_end[3][name]) for name in kept)
