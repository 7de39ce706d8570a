import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tokser.config import PretrainSettings
from tokser.errors import (
    CorruptStoreError,
    InputError,
    MissingPackageError,
    RunError,
    SettingsError,
    StoreIncompleteError,
)
from tokser.pretrain.checkpoint import load_aligner
from tokser.pretrain.metrics import read_metrics
from tokser.pretrain.module import AlignerModule
from tokser.report.parse import parse_metrics
from tokser.report.results import Run
from tokser.report.runs import summarise
from tokser.sealed import SealedFolder
from tokser.stages.pretrain import pretrain
from tokser.store import FeatureSpec, GroupPlan, StoreWriter

DIM, NUM_WORDS, NUM_TRAIN, NUM_DEV = 12, 16, 64, 10
EPOCHS = 10
FORMER = Path(__file__).parent / "former_runs"
"""Runs on the toy store, as version 0.1 wrote them: variants `report` and `listener`."""


class ToyStore:
    """A corpus whose frames carry a token's word, to be found by, and its teacher, to be said."""

    def __init__(
        self,
        path: Path,
        *,
        speech: tuple[str, ...] = ("whisper-toy",),
        layers: tuple[str, ...] = ("layer-6",),
        embeddings: bool = False,
    ) -> None:
        self.layers, self.embeddings = layers, embeddings
        rng = np.random.default_rng(0)
        num = NUM_TRAIN + NUM_DEV
        self.path, self.speech = path, speech
        self.words = rng.normal(size=(NUM_WORDS, DIM)) / 3
        self.token_ids = [
            np.array([0, *rng.permutation(np.arange(2, NUM_WORDS))[:4], 1], dtype=np.int32)
            for _ in range(num)
        ]
        self.teacher = [rng.normal(size=(len(ids), DIM)) for ids in self.token_ids]
        self.frames = [
            np.repeat(np.hstack([9 * self.words[ids], said]), 2, axis=0)
            for ids, said in zip(self.token_ids, self.teacher, strict=True)
        ]
        self.table = pd.DataFrame(
            {
                "id": [f"utt{i:03d}" for i in range(num)],
                "speaker": [f"s{i % 7}" for i in range(num)],
                "transcript": [" ".join(map(str, ids)) for ids in self.token_ids],
                "split": ["train-clean-100"] * NUM_TRAIN + ["dev-clean"] * NUM_DEV,
            }
        ).set_index("id")

    def shorten(self, place: int) -> None:
        """Leave an utterance one word, between [CLS] and [SEP]."""
        self.token_ids[place] = self.token_ids[place][[0, 1, -1]]
        self.teacher[place] = self.teacher[place][[0, 1, -1]]

    def write(self, *, shards: int | None = None, with_text: bool = True) -> "ToyStore":
        """Write speech, all of it or so many shards, and text."""
        text = self.table.to_csv(lineterminator="\n")
        digest = hashlib.sha256(text.encode()).hexdigest()
        with StoreWriter(
            self.path, dataset="librispeech", manifest_text=text, manifest_digest=digest
        ) as writer:
            wide = dict.fromkeys(self.layers, FeatureSpec(dim=2 * DIM, dtype="float16"))
            for name in self.speech:
                rows = dict.fromkeys(self.layers, self.frames)
                self._commit(writer, name, "speech", wide, rows, shards)
            if with_text:
                specs = {
                    "contextual": FeatureSpec(dim=DIM, dtype="float16"),
                    "token_ids": FeatureSpec(dim=None, dtype="int32"),
                }
                rows = {"contextual": self.teacher, "token_ids": self.token_ids}
                if self.embeddings:
                    specs["layer-0"] = specs["contextual"]
                    rows["layer-0"] = [self.words[ids] for ids in self.token_ids]
                group = self._commit(writer, "bert-toy", "text", specs, rows)
                keys = np.arange(NUM_WORDS, dtype=np.int32)
                group.put_lookup(
                    "word", ids="token_ids", keys=keys, table=self.words.astype(np.float16)
                )
        return self

    def _commit(self, writer, name, kind, specs, rows, shards=None):
        lengths = np.array([len(r) for r in next(iter(rows.values()))], dtype=np.int64)
        small = {} if shards is None else {"shard_bytes": 4_000}
        plan = GroupPlan(
            name=name,
            kind=kind,
            features=specs,
            lengths=lengths,
            provenance={"model": name},
            **small,
        )
        group = writer.plan_group(plan)
        for shard, features in list(group.pending().items())[:shards]:
            span = slice(*group.layout.shard_utterances(shard))
            group.commit(shard, {f: rows[f][span] for f in features}, {})
        return group

    def settings(self, out: Path, **changes) -> PretrainSettings:
        values = {
            "store": str(self.path),
            "out": out,
            "batch_size": 8,
            "learning_rate": 2e-2,
            "epochs": EPOCHS,
            "device": "cpu",
        }
        return PretrainSettings(**(values | changes))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors are tiny: threads would wait for each other, for long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> ToyStore:
    return ToyStore(tmp_path_factory.mktemp("toy") / "toy.zarr").write()


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory) -> Path:
    return pretrain(toy.settings(tmp_path_factory.mktemp("runs") / "aligner"))


def metrics(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv")


def stop_in(monkeypatch, epoch: int, error: BaseException) -> None:
    """Make the second step of an epoch, counted from 0, fail."""
    step = AlignerModule.training_step

    def fail(self, batch, batch_idx):
        if self.current_epoch == epoch and batch_idx == 1:
            raise error
        return step(self, batch, batch_idx)

    monkeypatch.setattr(AlignerModule, "training_step", fail)


def test_match_rate_is_above_chance_and_mismatched_speech(run):
    table = metrics(run).set_index("epoch")
    untrained, last = table.loc[0], table.iloc[-1]
    assert last["dev_match_rate"] > 0.5
    assert last["dev_match_rate"] > 20 * last["dev_chance"]
    assert last["dev_match_rate"] > untrained["dev_match_rate"] + 0.4
    assert last["dev_match_rate_mismatched"] < 0.1
    assert last["speech_gain"] > 0.4


def test_metrics_have_a_row_before_training_and_one_per_epoch(run):
    table = metrics(run)
    assert table["epoch"].tolist() == list(range(EPOCHS + 1))
    assert table["train_loss"].isna().tolist() == [True] + [False] * EPOCHS
    assert table["dev_chance"].tolist() == pytest.approx([1 / (6 * NUM_DEV)] * (EPOCHS + 1))


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


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_resumed_run_ends_in_the_same_weights(toy, tmp_path, monkeypatch, epoch):
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


def test_no_more_than_an_epoch_is_lost_where_the_score_falls(toy, tmp_path, monkeypatch):
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


def test_a_run_stopped_after_its_last_epoch_is_only_written_out(toy, tmp_path, monkeypatch):
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


def test_ctrl_c_stays_ctrl_c(toy, tmp_path, monkeypatch):
    handler = signal.getsignal(signal.SIGINT)
    stop_in(monkeypatch, 0, KeyboardInterrupt())
    try:
        with pytest.raises(KeyboardInterrupt):
            pretrain(toy.settings(tmp_path / "run", epochs=1))
        assert signal.getsignal(signal.SIGINT) is handler
        assert not (tmp_path / "run" / "provenance.json").exists()
    finally:
        signal.signal(signal.SIGINT, handler)


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
    loss = "tokser.pretrain.ranks.token_contrastive_loss"
    monkeypatch.setattr(loss, lambda student, teacher, tau: student.sum() * float("nan"))
    with pytest.raises(RunError, match="epoch 1, batch of utt"):
        pretrain(toy.settings(tmp_path / "run"))
    assert not (tmp_path / "run" / "provenance.json").exists()
    assert not (tmp_path / "run" / "aligner.safetensors").exists()


@pytest.mark.parametrize("wrong", [{"speech": "whisper-toy/layer-9"}, {"text": "bert-toy/word"}])
def test_an_unsuitable_feature_is_refused_with_a_list(toy, tmp_path, wrong):
    option, name = next(iter(wrong.items()))
    with pytest.raises(SettingsError, match=rf"--{option}.*expected one of.*got '{name}'"):
        pretrain(toy.settings(tmp_path / "run", **wrong))
    assert not (tmp_path / "run").exists()


def test_several_speech_features_must_be_named(tmp_path):
    toy = ToyStore(tmp_path / "two.zarr", speech=("whisper-toy", "wavlm-toy")).write()
    with pytest.raises(SettingsError, match=r"--speech.*whisper-toy/layer-6, wavlm-toy/layer-6"):
        pretrain(toy.settings(tmp_path / "run"))
    pretrain(toy.settings(tmp_path / "run", speech="wavlm-toy/layer-6", epochs=1))
    assert load_aligner(tmp_path / "run")[1].features["speech"] == "wavlm-toy/layer-6"


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


def test_several_layers_are_mixed(tmp_path):
    toy = ToyStore(tmp_path / "two.zarr", layers=("layer-4", "layer-6")).write()
    mix = "whisper-toy/layer-4,whisper-toy/layer-6"
    out = pretrain(toy.settings(tmp_path / "run", speech=mix, epochs=1))
    aligner, description = load_aligner(out)
    assert description.speech == mix.split(",")
    assert aligner.mix.weights.shape == (2,)
    assert aligner.mix.weights.abs().max() > 0


def test_layers_of_several_encoders_cannot_be_mixed(tmp_path):
    toy = ToyStore(tmp_path / "two.zarr", speech=("whisper-toy", "wavlm-toy")).write()
    with pytest.raises(SettingsError, match="layers of one encoder"):
        pretrain(toy.settings(tmp_path / "run", speech="whisper-toy/layer-6,wavlm-toy/layer-6"))


def test_full_queries_are_layer_0_of_the_teacher(toy, tmp_path):
    with pytest.raises(
        SettingsError, match=r"--queries full.*feature bert-toy/layer-0.*layers all"
    ):
        pretrain(toy.settings(tmp_path / "run", queries="full"))
    full = ToyStore(tmp_path / "full.zarr", embeddings=True).write()
    out = pretrain(full.settings(tmp_path / "run", queries="full", epochs=1))
    assert load_aligner(out)[1].features["queries"] == "bert-toy/layer-0"


def test_a_store_without_text_says_what_is_missing(tmp_path):
    toy = ToyStore(tmp_path / "mute.zarr").write(with_text=False)
    with pytest.raises(SettingsError, match=r"--text.*there is none of the kind.*tokser extract"):
        pretrain(toy.settings(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_an_incomplete_feature_is_refused(tmp_path):
    toy = ToyStore(tmp_path / "half.zarr").write(shards=1)
    with pytest.raises(StoreIncompleteError, match="whisper-toy/layer-6"):
        pretrain(toy.settings(tmp_path / "run"))


def test_a_corpus_of_one_speaker_without_dev_part_is_refused(tmp_path):
    toy = ToyStore(tmp_path / "one.zarr")
    toy.table["split"], toy.table["speaker"] = "", "s0"
    toy.write()
    with pytest.raises(InputError, match="at least two speakers"):
        pretrain(toy.settings(tmp_path / "run"))
    assert not (tmp_path / "run").exists()  # so that other settings may have it


_PRETRAIN = """
import sys, torch
from tokser.config import PretrainSettings
from tokser.stages.pretrain import pretrain
torch.set_num_threads(1)
pretrain(PretrainSettings.model_validate_json(sys.argv[1]))
"""


def start(settings: PretrainSettings, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-c", _PRETRAIN, settings.model_dump_json()]
    return subprocess.Popen(
        command, env=os.environ | environment, stderr=subprocess.PIPE, text=True
    )


def test_a_run_killed_within_an_epoch_ends_in_the_same_weights(toy, tmp_path):
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


def test_two_processes_train_what_one_trains(toy, tmp_path):
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
def test_trackers_log_offline(toy, tmp_path, monkeypatch, tracker):
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
    monkeypatch.setattr("tokser.pretrain.trackers.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"--track wandb.*tokser\[tracking\]"):
        pretrain(toy.settings(tmp_path / "run", track=("wandb",)))


def write_unchecked(toy: ToyStore, monkeypatch) -> None:
    """Write what the store would refuse; a disk may do so later."""
    with monkeypatch.context() as patch:
        patch.setattr("tokser.store.group_writer.require_finite", lambda *args: None)
        toy.write()


def test_a_row_not_finite_names_feature_and_utterance(tmp_path, monkeypatch):
    toy = ToyStore(tmp_path / "bad.zarr")
    toy.frames[5][3, 1] = np.nan
    write_unchecked(toy, monkeypatch)
    with pytest.raises(RunError, match=r"whisper-toy/layer-6, utt005: expected finite activ"):
        pretrain(toy.settings(tmp_path / "run", epochs=1))
    assert not (tmp_path / "run" / "provenance.json").exists()


def test_a_dev_part_that_is_not_finite_is_named_before_training(tmp_path, monkeypatch):
    toy = ToyStore(tmp_path / "bad.zarr")
    toy.frames[NUM_TRAIN + 3][0, 0] = np.nan
    write_unchecked(toy, monkeypatch)
    stop_in(monkeypatch, 0, RuntimeError("was trained"))
    with pytest.raises(RunError, match=f"layer-6, utt{NUM_TRAIN + 3:03d}: expected finite"):
        pretrain(toy.settings(tmp_path / "run", epochs=1))


def test_an_utterance_of_one_token_is_trained_on(tmp_path):
    toy = ToyStore(tmp_path / "short.zarr")
    toy.shorten(7)  # [CLS], a word, [SEP]
    out = pretrain(toy.write().settings(tmp_path / "run", epochs=1, special_tokens=False))
    assert np.isfinite(metrics(out)["train_loss"].iloc[1])


def test_a_batch_of_one_token_says_what_to_raise(tmp_path):
    toy = ToyStore(tmp_path / "short.zarr")
    for place in range(NUM_TRAIN):
        toy.shorten(place)
    settings = toy.write().settings(tmp_path / "run", batch_size=1, special_tokens=False)
    with pytest.raises(RunError, match=r"batch of utt\d+: expected at least two.*--batch-size"):
        pretrain(settings)


def test_a_corpus_without_dev_part_says_what_to_extract(tmp_path):
    toy = ToyStore(tmp_path / "nodev.zarr")
    toy.table["split"], toy.table["speaker"] = "train-clean-100", "s0"
    with pytest.raises(InputError, match=r"0 to choose the epoch by|two of them in dev.*dev-clean"):
        pretrain(toy.write().settings(tmp_path / "run"))


def test_what_does_not_fit_into_memory_leaves_no_run(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("tokser.pretrain.preload._free_bytes", lambda device: 1_000)
    with pytest.raises(InputError, match="--preload ram: expected features that fit"):
        pretrain(toy.settings(tmp_path / "run", preload="ram"))
    assert not (tmp_path / "run").exists()


def test_a_damaged_state_resumes_from_the_one_before(toy, tmp_path, monkeypatch, capsys):
    whole = pretrain(toy.settings(tmp_path / "whole" / "run", epochs=3))
    with monkeypatch.context() as patch:
        stop_in(patch, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            pretrain(toy.settings(tmp_path / "run", epochs=3))
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:3000])
    pretrain(toy.settings(tmp_path / "run", epochs=3))
    assert "training goes on from the state saved before" in capsys.readouterr().err
    for name in ("aligner.safetensors", "metrics.csv"):
        assert (whole / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name


def test_lost_weights_of_a_stopped_run_begin_it_anew(toy, tmp_path, monkeypatch, capsys):
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


def test_a_flipped_bit_stops_training_unless_unchecked(tmp_path):
    toy = ToyStore(tmp_path / "toy.zarr").write()
    file = next(p for p in (toy.path / "whisper-toy/layer-6/rows/c").rglob("*") if p.is_file())
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptStoreError, match=r"whisper-toy/layer-6, utt\d+: expected rows with"):
        pretrain(toy.settings(tmp_path / "run", epochs=1))
    pretrain(toy.settings(tmp_path / "run", epochs=1, check=False))


class TestFormerRuns:
    """Runs of an earlier version, whose names differ, are read and resumed."""

    @pytest.fixture
    def former(self, tmp_path) -> Path:
        shutil.copytree(FORMER / "paper", tmp_path / "paper")
        return tmp_path / "paper"

    @pytest.mark.parametrize("variant", ["paper", "report"])
    def test_a_finished_run_matches(self, toy, former, variant, capsys):
        assert pretrain(toy.settings(former, epochs=2, variant=variant)) == former
        assert f"already in {former}" in capsys.readouterr().err

    def test_a_stopped_run_resumes_with_present_names(self, toy, former, tmp_path):
        for name in ("provenance.json", "aligner.json"):
            SealedFolder(former).drop(name)
        pretrain(toy.settings(former, epochs=2))
        fresh = pretrain(toy.settings(tmp_path / "fresh" / "paper", epochs=2))
        for name in ("metrics.csv", "aligner.safetensors"):
            assert (former / name).read_bytes()[-2000:] == (fresh / name).read_bytes()[-2000:]
        assert load_aligner(former)[1].variant == "paper"

    def test_a_run_has_the_bytes_of_the_former_one(self, toy, tmp_path):
        fresh = pretrain(toy.settings(tmp_path / "paper", epochs=2))
        weights = (fresh / "aligner.safetensors").read_bytes()
        assert weights == (FORMER / "paper" / "aligner.safetensors").read_bytes()

    @pytest.mark.parametrize("option", ["global_queries", "seeds"])
    def test_the_listener_has_the_bytes_of_the_former_one(self, toy, tmp_path, option):
        options = {"rank": 2, option: 2, "dropout": 0}
        settings = toy.settings(
            tmp_path / "listener", epochs=2, variant="listener", options=options
        )
        weights = (pretrain(settings) / "aligner.safetensors").read_bytes()
        assert weights == (FORMER / "listener" / "aligner.safetensors").read_bytes()
        aligner, description = load_aligner(FORMER / "listener")
        assert (description.variant, aligner.num_global_queries) == ("listener", 2)

    def test_former_columns_of_metrics_get_their_present_names(self):
        table = read_metrics(FORMER / "paper" / "metrics.csv")
        assert "attention_monotonicity_mismatched" in table
        assert "dev_match_rate_within_mismatched_low" in table
        assert not [name for name in table if "shuffled" in name or "diagonality" in name]
