"""Runs that are stopped, killed or damaged resume and end in the same bytes."""

import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tokser.pretrain.checkpoint import load_aligner
from tokser.pretrain.module import AlignerModule
from tokser.stages.pretrain import pretrain

pytestmark = pytest.mark.slow


def metrics(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv")


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_resumed_run_ends_in_the_same_weights(toy, tmp_path, monkeypatch, epoch, stop_in):
    whole = pretrain(toy.settings(tmp_path / "whole", epochs=3))
    with monkeypatch.context() as patch:
        stop_in(patch, epoch, RuntimeError("power cut"))
        with pytest.raises(RuntimeError, match="power cut"):
            pretrain(toy.settings(tmp_path / "cut", epochs=3))
    assert not (tmp_path / "cut" / "provenance.json").exists()
    cut = pretrain(toy.settings(tmp_path / "cut", epochs=3))
    pd.testing.assert_frame_equal(metrics(cut), metrics(whole))
    weights = [load_file(folder / "aligner.safetensors") for folder in (cut, whole)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_no_more_than_an_epoch_is_lost_where_the_score_falls(toy, tmp_path, monkeypatch, stop_in):
    score = AlignerModule.on_validation_epoch_end

    def fall(self):
        score(self)
        self.scores["dev_match_rate"] = 1 - 0.1 * self.current_epoch
        self.log_dict(self.scores)

    monkeypatch.setattr(AlignerModule, "on_validation_epoch_end", fall)
    with monkeypatch.context() as patch:
        stop_in(patch, 2, RuntimeError("power cut"))
        with pytest.raises(RuntimeError, match="power cut"):
            pretrain(toy.settings(tmp_path / "run", epochs=3))
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 1
    pretrain(toy.settings(tmp_path / "run", epochs=3))
    assert load_aligner(tmp_path / "run")[1].best_epoch == 1


def test_a_run_stopped_after_its_last_epoch_is_finished(toy, tmp_path, monkeypatch, stop_in):
    settings = toy.settings(tmp_path / "run", epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr("tokser.pretrain.run.save_aligner", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pretrain(settings)
    stop_in(monkeypatch, 0, RuntimeError("trained again"))
    before = metrics(tmp_path / "run")
    pretrain(settings)
    pd.testing.assert_frame_equal(metrics(tmp_path / "run"), before)
    assert (tmp_path / "run" / "provenance.json").is_file()


def test_ctrl_c_stays_ctrl_c(toy, tmp_path, monkeypatch, stop_in):
    handler = signal.getsignal(signal.SIGINT)
    stop_in(monkeypatch, 0, KeyboardInterrupt())
    try:
        with pytest.raises(KeyboardInterrupt):
            pretrain(toy.settings(tmp_path / "run", epochs=1))
        assert signal.getsignal(signal.SIGINT) is handler
        assert not (tmp_path / "run" / "provenance.json").exists()
    finally:
        signal.signal(signal.SIGINT, handler)


def test_a_run_killed_within_an_epoch_ends_in_the_same_weights(toy, tmp_path, start):
    whole = pretrain(toy.settings(tmp_path / "whole", epochs=4))
    settings = toy.settings(tmp_path / "cut", epochs=4, save_steps=1)
    last = settings.out / "checkpoints" / "last.ckpt"
    with start(settings) as process:
        deadline = time.monotonic() + 60
        while not last.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.kill()
    assert not (settings.out / "provenance.json").exists()
    saved = torch.load(last, weights_only=True)
    loader = saved["loops"]["fit_loop"]["state_dict"]["combined_loader"][0]
    assert saved["global_step"] == 8 * loader["epoch"] + loader["batches_done"]
    cut = pretrain(settings)
    pd.testing.assert_frame_equal(metrics(cut), metrics(whole))
    weights = [load_file(folder / "aligner.safetensors") for folder in (cut, whole)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_a_damaged_state_resumes_from_the_one_before(toy, tmp_path, monkeypatch, capsys, stop_in):
    whole = pretrain(toy.settings(tmp_path / "whole" / "run", epochs=3))
    with monkeypatch.context() as patch:
        stop_in(patch, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            pretrain(toy.settings(tmp_path / "run", epochs=3))
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:3000])
    pretrain(toy.settings(tmp_path / "run", epochs=3))
    assert "training resumes from the state saved before" in capsys.readouterr().err
    for name in ("aligner.safetensors", "metrics.csv"):
        assert (whole / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name


def test_lost_weights_of_a_stopped_run_begin_it_anew(toy, tmp_path, monkeypatch, capsys, stop_in):
    whole = pretrain(toy.settings(tmp_path / "whole" / "run", epochs=2))
    with monkeypatch.context() as patch:
        stop_in(patch, 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            pretrain(toy.settings(tmp_path / "run", epochs=2))
    (tmp_path / "run" / "checkpoints" / "best.safetensors").write_bytes(b"")
    pretrain(toy.settings(tmp_path / "run", epochs=2))
    assert "best.safetensors has another digest" in capsys.readouterr().err.replace("\n", "")
    for name in ("aligner.safetensors", "metrics.csv"):
        assert (whole / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name
