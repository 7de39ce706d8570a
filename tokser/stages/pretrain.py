"""Stage 2: train the aligner on cached activations."""

import logging
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch.utils.data import DataLoader

from tokser.config import PretrainSettings
from tokser.device import resolve_device
from tokser.errors import SettingsError, list_some
from tokser.pretrain.attention import ALIGNERS
from tokser.pretrain.batches import Batch, Pairs, bucketed_batches, in_order, split_train_dev
from tokser.pretrain.checkpoint import AlignerDescription, save_aligner
from tokser.pretrain.module import HEADLINE, AlignerModule
from tokser.progress import say
from tokser.provenance import Stamp, write_atomically
from tokser.store import Store, open_store

__all__ = ["pretrain"]

VARIANT = "report"


def pretrain(settings: PretrainSettings) -> Path:
    """Train the aligner, keep the best epoch by the match rate over the dev part.

    A run that was stopped goes on after its last whole epoch.

    Returns:
        The run's folder: `aligner.safetensors`, `aligner.json`, `metrics.csv` with a row per
        epoch (0: before training), and `provenance.json` last.

    Raises:
        SettingsError: Features cannot be told, or `out` holds another run.
        StoreNotSealedError: A feature is not whole.
        InputError: There is nothing to train on, or no dev part.
        RunError: The loss is not finite.
    """
    store = open_store(settings.store)
    settings = _name_features(store, settings)
    names = {
        "speech": str(settings.speech),
        "teacher": str(settings.text),
        "queries": f"{str(settings.text).rpartition('/')[0]}/word",
    }
    stamp = Stamp(
        "pretrain",
        settings.model_dump(mode="json"),
        {role: store.identity(name) for role, name in names.items()},
    )
    if stamp.marks(settings.out):
        say(f"pretrain: already in {settings.out}")
        return settings.out
    for name in names.values():
        store[name].require_sealed()
    stamp.claim(settings.out)
    text = settings.model_dump_json(indent=2)
    write_atomically(settings.out / "settings.json", text.encode())
    pairs = Pairs(
        store[names["speech"]],
        store[names["queries"]],
        store[names["teacher"]],
        settings.special_tokens,
    )
    module, best = _train(settings, store, pairs)
    description = AlignerDescription(
        name=settings.out.name,
        variant=VARIANT,
        text_dim=pairs.teacher.dim,
        speech_dim=pairs.speech.dim,
        special_tokens=settings.special_tokens,
        features=names,
        provenance={role: store[name].provenance for role, name in names.items()},
        best_epoch=int(best["epoch"]),
        scores={key: float(value) for key, value in best.items() if key != "epoch"},
    )
    save_aligner(settings.out, module, description)
    stamp.write(settings.out)
    return settings.out


def _name_features(store: Store, settings: PretrainSettings) -> PretrainSettings:
    """Fill in the features that were not named, where there is one choice."""
    speech = [name for name in store.features if store[name].kind == "speech"]
    text = [
        name for name in store.features if store[name].kind == "text" and not name.endswith("/word")
    ]
    contextual = [name for name in text if name.endswith("/contextual")]
    chosen = {
        "speech": _choose(store, "--speech", settings.speech, speech, speech),
        "text": _choose(store, "--text", settings.text, text, contextual),
    }
    return settings.model_copy(update=chosen)


def _choose(
    store: Store, option: str, wanted: str | None, known: list[str], likely: list[str]
) -> str:
    if wanted is None and len(likely) == 1:
        return likely[0]
    if wanted in known:
        return str(wanted)
    raise SettingsError(
        f"{option}, {store.path}",
        expected=f"one of {list_some(known, most=20) or 'no feature: there is none of the kind'}",
        got=repr(wanted) if wanted else f"no choice among {len(likely)}",
        remedy="Name the feature, or extract it with `tokser extract`.",
    )


def _train(
    settings: PretrainSettings, store: Store, pairs: Pairs
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Train; return the best epoch's weights and its row of the metrics."""
    train, dev = split_train_dev(
        store.utterances, pairs.ids(), dev_fraction=settings.dev_fraction, seed=settings.seed
    )
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        aligner = ALIGNERS[VARIANT](pairs.teacher.dim, pairs.speech.dim)
    module = AlignerModule(aligner, settings.temperature, settings.learning_rate)
    data = _Batches(pairs, train, dev, settings)
    metrics = _Metrics(settings.out / "metrics.csv", settings)
    checkpoints = ModelCheckpoint(
        settings.out / "checkpoints", monitor=HEADLINE, mode="max", save_last=True
    )
    last = settings.out / "checkpoints" / "last.ckpt"
    with warnings.catch_warnings():
        # Reading is a slice of a mapped or cached file; workers would cost more than they bring.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists.*")  # resuming
        # Lightning still passes this to PyTorch's tree utilities.
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
        trainer = _trainer(settings, [metrics, checkpoints])
        if not last.is_file():
            trainer.validate(module, datamodule=data, verbose=False)
        trainer.fit(module, datamodule=data, ckpt_path=last if last.is_file() else None)
    best = torch.load(checkpoints.best_model_path, weights_only=True, map_location="cpu")
    weights = {name.removeprefix("aligner."): tensor for name, tensor in best["state_dict"].items()}
    table = pd.read_csv(settings.out / "metrics.csv")
    row = table[table["epoch"] == int(best["epoch"]) + 1].iloc[0]
    return weights, {str(key): float(value) for key, value in row.items()}


def _trainer(settings: PretrainSettings, callbacks: list[Callback]) -> lightning.Trainer:
    device = resolve_device(settings.device)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    on_terminal = sys.stderr.isatty()
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        devices=[device.index or 0] if device.type == "cuda" else 1,
        max_epochs=settings.epochs,
        callbacks=[*callbacks, RichProgressBar()] if on_terminal else callbacks,
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,  # each epoch has its own order
        logger=False,
        default_root_dir=settings.out,
    )


class _Batches(lightning.LightningDataModule):
    """Batches of the train and dev part."""

    def __init__(
        self, pairs: Pairs, train: list[str], dev: list[str], settings: PretrainSettings
    ) -> None:
        super().__init__()
        self._pairs, self._train, self._dev = pairs, train, dev
        self._settings = settings

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of this epoch, in an order of its own."""
        batches = bucketed_batches(
            self._train,
            self._pairs.speech.lengths,
            batch_size=self._settings.batch_size,
            seed=self._settings.seed,
            epoch=self.trainer.current_epoch if self.trainer else 0,
        )
        return self._loader(batches)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the dev part, always the same; none of one utterance, if it can be."""
        batches = list(in_order(self._dev, self._settings.batch_size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2] += batches.pop()
        return self._loader(batches)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch's tensors."""
        return batch.to(device)

    def _loader(self, batches: list[list[str]]) -> DataLoader[Batch]:
        loader: Any = DataLoader(batches, batch_size=None, collate_fn=self._pairs.gather)  # type: ignore[arg-type]  # a list is a dataset
        return loader  # type: ignore[no-any-return]


class _Metrics(Callback):
    """Writes a row of `metrics.csv` after every validation, and says it."""

    def __init__(self, file: Path, settings: PretrainSettings) -> None:
        self._file, self._epochs = file, settings.epochs

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if not isinstance(pl_module, AlignerModule):
            return
        is_fitting = trainer.state.fn == "fit"
        epoch = trainer.current_epoch + 1 if is_fitting else 0
        row = {"epoch": epoch, "train_loss": pl_module.mean_train_loss(), **pl_module.scores}
        table = pd.DataFrame([row])
        if self._file.is_file():
            before = pd.read_csv(self._file)
            table = pd.concat([before[before["epoch"] < epoch], table])
        write_atomically(self._file, str(table.to_csv(index=False)).encode())
        loss = "" if math.isnan(row["train_loss"]) else f"loss {row['train_loss']:.4f}, "
        say(
            f"epoch {epoch}/{self._epochs}: {loss}"
            f"dev match {100 * row[HEADLINE]:.2f} % "
            f"(wrong speech {100 * row['dev_match_rate_shuffled']:.2f} %, "
            f"chance {100 * row['dev_chance']:.2f} %)"
        )
