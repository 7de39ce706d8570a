import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tokser.config import PretrainSettings
from tokser.errors import RunError
from tokser.pretrain import attention
from tokser.pretrain.batches import Pairs
from tokser.pretrain.data import Batches
from tokser.pretrain.history import History
from tokser.pretrain.metrics import HEADLINE, best_epoch
from tokser.pretrain.module import AlignerModule
from tokser.pretrain.paper import PaperAligner
from tokser.pretrain.training import train
from tokser.pretrain.variants import build_aligner

pytestmark = pytest.mark.slow

IDS = [f"u{i}" for i in range(12)]
TRAIN, WRONG = IDS[:8], dict(zip(IDS[8:], [*IDS[9:], IDS[8]], strict=True))


SETTINGS = PretrainSettings(
    store="s", out=Path("o"), batch_size=3, learning_rate=1e-2, device="cpu"
)


@pytest.fixture
def data(memory) -> Batches:
    rng = np.random.default_rng(0)
    teacher = {u: rng.normal(size=(4, 6)) for u in IDS}
    words = {u: rng.normal(size=(4, 6)) for u in IDS}
    speech = {u: np.hstack([5 * words[u], teacher[u]]).repeat(2, axis=0) for u in IDS}
    pairs = Pairs(
        (memory("s", speech),), memory("t/word", words), memory("t/contextual", teacher), True
    )
    return Batches(pairs, TRAIN, WRONG, SETTINGS)


def module(settings: PretrainSettings = SETTINGS) -> AlignerModule:
    torch.manual_seed(0)
    return AlignerModule(PaperAligner(6, 12), settings, num_batches=3)


def run(data: Batches, out, epochs: int = 2, **changes) -> History:
    settings = SETTINGS.model_copy(update={"epochs": epochs, **changes})
    history = History(out, epochs, settings.save_steps)
    train(module(settings), data, history, settings, device=torch.device("cpu"))
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
def test_a_resumed_run_ends_as_one_without_stop(data, tmp_path, monkeypatch, handlers, act):
    whole = run(data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        in_step(patch, 1, act)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "cut")
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    cut = run(data, tmp_path / "cut")
    assert cut.table.read_text() == whole.table.read_text()
    assert cut.best.read_bytes() == whole.best.read_bytes()


def test_a_moved_run_keeps_its_best_epoch(data, tmp_path, monkeypatch):
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
        self.scores = dict.fromkeys(
            (HEADLINE, "dev_match_rate_mismatched", "speech_gain", "dev_chance"), 0.5
        )

    monkeypatch.setattr(AlignerModule, "on_validation_epoch_end", same)
    once, twice = run(data, tmp_path / "once", epochs=1), run(data, tmp_path / "twice", epochs=2)
    assert twice.best_row()["epoch"] == 1
    assert best_epoch(pd.read_csv(twice.table).to_dict("records")) == 1  # as the page has it
    assert twice.best.read_bytes() == once.best.read_bytes()


def test_the_table_tells_the_documented_scores(data, tmp_path):
    table = pd.read_csv(run(data, tmp_path).table)
    rates = [
        "dev_match_rate",
        "dev_match_rate_mismatched",
        "speech_gain",
        "dev_match_rate_text_only",
        "speech_gain_text_only",
        "dev_match_rate_back",
        "dev_match_rate_within",
        "dev_match_rate_within_mismatched",
        "speech_gain_within",
        "dev_match_rate_within_text_only",
        "speech_gain_text_only_within",
        "dev_match_rate_within_back",
    ]
    assert list(table) == [
        "epoch",
        "train_loss",
        *(f"{name}{end}" for name in rates for end in ("", "_low", "_high")),
        "dev_num_utterances",
        "dev_num_speakers",
        "dev_mrr",
        "dev_recall_at_5",
        "dev_chance",
        "dev_chance_within",
        "dev_text_only_upper_bound",
        "attention_entropy",
        "attention_monotonicity",
        "attention_entropy_mismatched",
        "attention_monotonicity_mismatched",
        "dev_match_rate_untrained",
    ]
    assert table.drop(columns="train_loss").notna().all(axis=None)
    assert set(table["dev_match_rate_untrained"]) == {table["dev_match_rate"][0]}
    assert table["epoch"].tolist() == [0, 1, 2]


def test_a_loss_not_finite_names_epoch_and_utterances(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tokser.pretrain.distributed_loss.token_contrastive_loss",
        lambda student, teacher, temperature: student.sum() * float("nan"),
    )
    with pytest.raises(
        RunError, match=r"epoch 1, batch of u\d, u\d.*a finite loss, got nan"
    ) as got:
        run(data, tmp_path)
    assert got.value.exit_code == 1
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


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


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_stop_within_an_epoch_ends_in_the_same_weights(
    data, tmp_path, monkeypatch, handlers, schedule
):
    options = {"save_steps": 1, "schedule": schedule, "warmup_steps": 1, "epochs": 3}
    whole = run(data, tmp_path / "whole", **options)
    with monkeypatch.context() as patch:
        in_step(patch, 1, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "cut", **options)
    kept = torch.load(tmp_path / "cut" / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["loops"]["fit_loop"]["state_dict"]["combined_loader"] == [
        {"epoch": 1, "batches_done": 1}
    ]
    seen = []
    step = AlignerModule.training_step

    def watch(self, batch, batch_idx):
        seen.append((self.current_epoch, batch_idx))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(AlignerModule, "training_step", watch)
    cut = run(data, tmp_path / "cut", **options)
    assert seen == [(1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert cut.table.read_text() == whole.table.read_text()
    ends = [torch.load(history.last, weights_only=True) for history in (whole, cut)]
    assert ends[0]["global_step"] == ends[1]["global_step"] == 9
    for name, weight in ends[0]["state_dict"].items():
        assert torch.equal(ends[1]["state_dict"][name], weight), name


def test_dropout_draws_the_same_after_a_stop(data, tmp_path, monkeypatch, handlers):
    def dropping(settings):
        torch.manual_seed(0)
        options = {"heads": 2, "ffn": 8, "dropout": 0.5}
        return AlignerModule(build_aligner("sunder", 6, 12, 1, options), settings)

    monkeypatch.setattr(f"{__name__}.module", dropping)
    whole = run(data, tmp_path / "whole", save_steps=1)
    with monkeypatch.context() as patch:
        in_step(patch, 1, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "cut", save_steps=1)
    assert run(data, tmp_path / "cut", save_steps=1).table.read_text() == whole.table.read_text()


def test_a_run_may_begin_anew(data, tmp_path):
    first = run(data, tmp_path, epochs=2).table.read_text()
    history = History(tmp_path, 1)
    history.begin_anew()
    assert not history.last.exists()
    assert run(data, tmp_path, epochs=2).table.read_text() == first


def test_training_stops_early_where_nothing_gets_better(data, tmp_path, monkeypatch):
    score = AlignerModule.on_validation_epoch_end

    def fall(self):
        score(self)
        self.scores[HEADLINE] = 0.5 - 0.1 * self.current_epoch
        self.log_dict(self.scores)

    monkeypatch.setattr(AlignerModule, "on_validation_epoch_end", fall)
    history = run(data, tmp_path, epochs=9, patience=2)
    assert pd.read_csv(history.table)["epoch"].tolist() == [0, 1, 2, 3]


def test_bfloat16_products_with_float32_weights_learn(data, tmp_path, monkeypatch):
    dtypes = set()
    attend = attention.attend

    def watch(queries, *rest):
        context = attend(queries, *rest)
        dtypes.add(context.dtype)
        return context

    monkeypatch.setattr(attention, "attend", watch)
    coarse = pd.read_csv(run(data, tmp_path / "bf16", epochs=6, precision="bf16").table)
    assert dtypes == {torch.bfloat16}
    exact = pd.read_csv(run(data, tmp_path / "fp32", epochs=6).table)
    assert coarse["train_loss"].iloc[-1] < 0.8 * coarse["train_loss"].iloc[1]
    np.testing.assert_allclose(coarse["train_loss"][1:], exact["train_loss"][1:], rtol=0.05)
    kept = load_file(tmp_path / "bf16" / "checkpoints" / "best.safetensors")
    assert {weight.dtype for weight in kept.values()} == {torch.float32}


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError("no room")]
)
def test_a_lack_of_memory_says_which_option_shrinks_it(data, tmp_path, monkeypatch, error):
    def lack():
        raise error

    in_step(monkeypatch, 0, lack)
    with pytest.raises(RunError, match=r"room in memory, got .*Lower --batch-size below 3"):
        run(data, tmp_path)
