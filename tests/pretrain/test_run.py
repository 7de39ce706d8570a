"""A pretraining run, through the stage."""

import json
import re
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tokser.errors import (
    CorruptStoreError,
    InputError,
    MissingPackageError,
    RunError,
    SettingsError,
)
from tokser.pretrain.checkpoint import load_aligner
from tokser.pretrain.module import AlignerModule
from tokser.report.inputs import Run, parse_metrics
from tokser.report.runs import summarise
from tokser.stages.pretrain import pretrain

pytestmark = pytest.mark.slow


def write_unchecked(toy, monkeypatch) -> None:
    """Write what the store would refuse; a disk may do so later."""
    with monkeypatch.context() as patch:
        patch.setattr("tokser.store.group_writer.require_finite", lambda *args: None)
        toy.write()


def metrics(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv")


def test_match_rate_is_above_chance_and_mismatched_speech(run):
    table = metrics(run).set_index("epoch")
    untrained, last = table.loc[0], table.iloc[-1]
    assert last["dev_match_rate"] > 0.5
    assert last["dev_match_rate"] > 20 * last["dev_chance"]
    assert last["dev_match_rate"] > untrained["dev_match_rate"] + 0.4
    assert last["dev_match_rate_mismatched"] < 0.1
    assert last["speech_gain"] > 0.4


def test_metrics_have_a_row_before_training_and_one_per_epoch(run, toy):
    table, num_epochs = metrics(run), toy.EPOCHS
    assert table["epoch"].tolist() == list(range(num_epochs + 1))
    assert table["train_loss"].isna().tolist() == [True] + [False] * num_epochs
    assert table["dev_chance"].tolist() == pytest.approx([1 / (6 * toy.NUM_DEV)] * (num_epochs + 1))


def test_the_aligner_is_that_of_the_best_epoch(run, toy):
    aligner, description = load_aligner(run)
    table = metrics(run)
    trained = table[table["epoch"] > 0]
    best = trained.loc[trained["dev_match_rate"].idxmax()]
    assert description.best_epoch == best["epoch"]
    assert description.scores["dev_match_rate"] == best["dev_match_rate"]
    assert description.features == {
        "speech": "whisper-toy/layer-6",
        "queries": "bert-toy/word",
        "teacher": "bert-toy/contextual",
    }
    assert description.provenance["speech"] == {"model": "whisper-toy"}
    assert (description.name, description.variant) == ("aligner", "paper")
    kept = load_file(run / "checkpoints" / "best.safetensors")
    assert all(torch.equal(kept[name], weight) for name, weight in aligner.state_dict().items())


def test_page_metrics_and_checkpoint_agree_on_the_best_epoch(toy, tmp_path, monkeypatch, capsys):
    score = AlignerModule.on_validation_epoch_end

    def tie(self):
        score(self)
        self.scores["dev_match_rate"] = 0.5  # the untrained aligner too

    monkeypatch.setattr(AlignerModule, "on_validation_epoch_end", tie)
    out = pretrain(toy.settings(tmp_path / "run", epochs=2))
    shown = summarise("run", Run(out, parse_metrics(out / "metrics.csv"), {}, {}))
    assert load_aligner(out)[1].best_epoch == shown.best_epoch == 1
    assert shown.at_best["dev_mrr"] == metrics(out)["dev_mrr"][1]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "best epoch" in line]
    number = r"-?\d+\.\d\d"
    interval = rf"\[{number}, {number}\]"
    assert re.search(
        rf"best epoch 1: dev match rate 50\.00 % {interval}, gain over mismatched speech {number} "
        rf"points {interval}, gain over the text-only baseline {number} points {interval} "
        r"\(95 % intervals over 7 speakers\)",
        line,
    )


def test_settings_are_saved_with_their_features(run):
    saved = json.loads((run / "settings.json").read_text())
    assert (saved["speech"], saved["text"]) == ("whisper-toy/layer-6", "bert-toy/contextual")


def test_a_second_call_has_nothing_to_do(run, toy, capsys):
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    assert pretrain(toy.settings(run)) == run
    assert "already in" in capsys.readouterr().err
    assert {file: file.stat().st_mtime_ns for file in run.rglob("*")} == before


def test_a_folder_of_another_run_is_refused_and_left_alone(run, toy):
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    with pytest.raises(SettingsError, match="begun otherwise"):
        pretrain(toy.settings(run, temperature=0.1))
    assert {file: file.stat().st_mtime_ns for file in run.rglob("*")} == before


def test_nothing_is_left_in_the_working_folder(toy, tmp_path, monkeypatch):
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    pretrain(toy.settings(tmp_path / "run", epochs=1, special_tokens=False))
    assert list(elsewhere.iterdir()) == []


def test_a_run_is_named_after_its_folder(toy, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    pretrain(toy.settings(Path(), epochs=1))
    assert load_aligner(Path())[1].name == "here"


@pytest.mark.parametrize("name", ["manifest", "functionals"])
def test_a_name_that_a_store_needs_itself_is_refused(toy, tmp_path, name):
    with pytest.raises(SettingsError, match=f"the name of the run: .* got '{name}'"):
        pretrain(toy.settings(tmp_path / name))
    assert not (tmp_path / name).exists()


def test_a_loss_that_is_not_finite_leaves_no_finished_run(toy, tmp_path, monkeypatch):
    loss = "tokser.pretrain.distributed_loss.token_contrastive_loss"
    monkeypatch.setattr(loss, lambda student, teacher, tau: student.sum() * float("nan"))
    with pytest.raises(RunError, match="epoch 1, batch of utt"):
        pretrain(toy.settings(tmp_path / "run"))
    assert not (tmp_path / "run" / "provenance.json").exists()
    assert not (tmp_path / "run" / "aligner.safetensors").exists()


def test_variant_and_its_options_are_kept_with_the_run(toy, tmp_path):
    options = {"heads": 2, "ffn": 8}
    out = pretrain(toy.settings(tmp_path / "run", variant="sunder", options=options, epochs=1))
    aligner, description = load_aligner(out)
    assert (description.variant, description.options) == ("sunder", options)
    assert aligner.num_heads == 2


def test_an_option_that_the_variant_has_not_leaves_no_run(toy, tmp_path):
    with pytest.raises(SettingsError, match=r"--option of --variant paper.*'heads'"):
        pretrain(toy.settings(tmp_path / "run", options={"heads": 2}))
    assert not (tmp_path / "run").exists()


def test_two_processes_train_what_one_trains(toy, tmp_path, start):
    one = pretrain(toy.settings(tmp_path / "one", epochs=2))
    settings = toy.settings(tmp_path / "two", epochs=2, devices=2, loss="local")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    together |= {"TORCHELASTIC_RUN_ID": "test", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    ranks = [start(settings, RANK=str(r), LOCAL_RANK=str(r), **together) for r in range(2)]
    for rank in ranks:
        _, stderr = rank.communicate(timeout=500)
        assert rank.returncode == 0, stderr
    found, expected = metrics(settings.out), metrics(one)
    assert list(found) == list(expected)
    np.testing.assert_allclose(found["train_loss"][1:], expected["train_loss"][1:], rtol=1e-4)
    np.testing.assert_allclose(found["dev_match_rate"], expected["dev_match_rate"], atol=0.04)
    weights = [load_file(folder / "aligner.safetensors") for folder in (settings.out, one)]
    for name in weights[1]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-3, atol=1e-3)


def test_several_processes_want_a_launcher(toy, tmp_path):
    with pytest.raises(SettingsError, match=r"2 processes, started by torchrun.*got 1.*torchrun"):
        pretrain(toy.settings(tmp_path / "run", devices=2))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [{"order": "shards", "shards_at_once": 2}, {"preload": "ram"}])
def test_other_orders_and_places_of_the_rows_learn_as_well(toy, tmp_path, run, changes):
    out = pretrain(toy.settings(tmp_path / "run", **changes))
    assert metrics(out)["dev_match_rate"].iloc[-1] > 0.5
    if "preload" in changes:  # the same batches, from elsewhere
        pd.testing.assert_frame_equal(metrics(out), metrics(run))


def test_tensorboard_has_the_scores_of_every_epoch(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    logged = [event.value for event in events.Scalars("dev_match_rate")]
    np.testing.assert_allclose(logged, metrics(run)["dev_match_rate"], rtol=1e-6)


@pytest.mark.parametrize("tracker", ["wandb", "mlflow"])
def test_trackers_log_offline(toy, tmp_path, monkeypatch, tracker, start):
    pytest.importorskip(tracker)
    settings = toy.settings(tmp_path / "run", epochs=1, track=(tracker,))
    with start(settings, WANDB_MODE="offline", WANDB_SILENT="true") as process:
        _, stderr = process.communicate(timeout=500)
    assert process.returncode == 0, stderr
    if tracker == "wandb":
        assert list((settings.out / "wandb").glob("offline-run-*/*.wandb"))
    else:
        import mlflow

        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        client = mlflow.MlflowClient(f"file:{settings.out / 'mlruns'}")
        (found,) = client.search_runs([client.get_experiment_by_name("tokser").experiment_id])
        assert found.data.params["batch_size"] == "8"
        history = client.get_metric_history(found.info.run_id, "dev_match_rate")
        assert len(history) == 2


def test_a_tracker_that_is_not_installed_leaves_no_run(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("tokser.trackers.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"--track wandb.*tokser\[tracking\]"):
        pretrain(toy.settings(tmp_path / "run", track=("wandb",)))


def test_a_row_not_finite_names_feature_and_utterance(tmp_path, monkeypatch, toy_store):
    toy = toy_store(tmp_path / "bad.zarr")
    toy.frames[5][3, 1] = np.nan
    write_unchecked(toy, monkeypatch)
    with pytest.raises(RunError, match=r"whisper-toy/layer-6, utt005: expected finite activ"):
        pretrain(toy.settings(tmp_path / "run", epochs=1))
    assert not (tmp_path / "run" / "provenance.json").exists()


def test_a_dev_part_not_finite_is_named_before_training(tmp_path, monkeypatch, toy_store, stop_in):
    toy = toy_store(tmp_path / "bad.zarr")
    bad = toy.NUM_TRAIN + 3
    toy.frames[bad][0, 0] = np.nan
    write_unchecked(toy, monkeypatch)
    stop_in(monkeypatch, 0, RuntimeError("was trained"))
    with pytest.raises(RunError, match=f"layer-6, utt{bad:03d}: expected finite"):
        pretrain(toy.settings(tmp_path / "run", epochs=1))


def test_an_utterance_of_one_token_is_trained_on(tmp_path, toy_store):
    toy = toy_store(tmp_path / "short.zarr")
    toy.shorten(7)  # [CLS], a word, [SEP]
    out = pretrain(toy.write().settings(tmp_path / "run", epochs=1, special_tokens=False))
    assert np.isfinite(metrics(out)["train_loss"].iloc[1])


def test_a_batch_of_one_token_says_what_to_raise(tmp_path, toy_store):
    toy = toy_store(tmp_path / "short.zarr")
    for place in range(toy_store.NUM_TRAIN):
        toy.shorten(place)
    settings = toy.write().settings(tmp_path / "run", batch_size=1, special_tokens=False)
    with pytest.raises(RunError, match=r"batch of utt\d+: expected at least two.*--batch-size"):
        pretrain(settings)


def test_what_does_not_fit_into_memory_leaves_no_run(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("tokser.pretrain.preload._free_bytes", lambda device: 1_000)
    with pytest.raises(InputError, match="--preload ram: expected features that fit"):
        pretrain(toy.settings(tmp_path / "run", preload="ram"))
    assert not (tmp_path / "run").exists()


def test_a_flipped_bit_stops_training_unless_unchecked(tmp_path, toy_store):
    toy = toy_store(tmp_path / "toy.zarr").write()
    file = next(p for p in (toy.path / "whisper-toy/layer-6/rows/c").rglob("*") if p.is_file())
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptStoreError, match=r"whisper-toy/layer-6, utt\d+: expected rows with"):
        pretrain(toy.settings(tmp_path / "run", epochs=1))
    pretrain(toy.settings(tmp_path / "run", epochs=1, check=False))
