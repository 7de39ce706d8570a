"""Lightning, set up to train the aligner from batches of a store."""

import logging
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import RichProgressBar
from torch.utils.data import DataLoader

from tokser.pretrain.batches import Batch, DevBatch, Pairs, bucketed_batches, in_order
from tokser.pretrain.history import History
from tokser.pretrain.module import AlignerModule

__all__ = ["Batches", "train"]


class Batches(lightning.LightningDataModule):
    """Batches of the train and dev part.

    Args:
        pairs: Where the rows are.
        train: Utterances to train on.
        wrong: Dev utterances, and whom each of them hears in the shuffled control.
        batch_size: Utterances in a batch.
        seed: Decides the order.
    """

    def __init__(
        self, pairs: Pairs, train: list[str], wrong: dict[str, str], *, batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self._pairs, self._train, self._wrong = pairs, train, wrong
        self._batch_size, self._seed = batch_size, seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of this epoch, in an order of its own."""
        batches = bucketed_batches(
            self._train,
            self._pairs.num_frames,
            batch_size=self._batch_size,
            seed=self._seed,
            epoch=self.trainer.current_epoch if self.trainer else 0,
        )
        return self._loader(batches, self._pairs.gather)

    def val_dataloader(self) -> DataLoader[DevBatch]:
        """Batches of the dev part, always the same, with right and wrong speech."""
        return self._loader(list(in_order(sorted(self._wrong), self._batch_size)), self._gather_dev)

    def _gather_dev(self, ids: list[str]) -> DevBatch:
        return DevBatch(self._pairs.gather(ids), self._pairs.gather(ids, self._wrong))

    def transfer_batch_to_device(
        self, batch: Batch | DevBatch, device: torch.device, dataloader_idx: int
    ) -> Batch | DevBatch:
        """Move a batch's tensors."""
        return batch.to(device)

    @staticmethod
    def _loader(batches: list[list[str]], gather: Callable[[list[str]], Any]) -> DataLoader[Any]:
        loader: Any = DataLoader(batches, batch_size=None, collate_fn=gather)  # type: ignore[arg-type]  # a list is a dataset
        return loader  # type: ignore[no-any-return]


def train(
    module: AlignerModule, data: Batches, history: History, *, epochs: int, device: torch.device
) -> None:
    """Validate the untrained aligner, then train; or go on after the last whole epoch.

    Args:
        module: The aligner with its loss.
        data: Batches.
        history: Keeps what the epochs leave.
        epochs: Epochs of the whole run.
        device: Where the arithmetic runs.

    Raises:
        RunError: The loss is not finite.
        KeyboardInterrupt: Stopped, by Ctrl-C or SIGTERM.
    """
    with _quiet(), _stops_as_python_does():
        trainer = _trainer(history, epochs, device)
        begun = history.last.is_file()
        if not begun:
            trainer.validate(module, datamodule=data, verbose=False)
        trainer.fit(module, datamodule=data, ckpt_path=history.last if begun else None)


def _trainer(history: History, epochs: int, device: torch.device) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    on_terminal = sys.stderr.isatty()
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        devices=[device.index or 0] if device.type == "cuda" else 1,
        max_epochs=epochs,
        callbacks=[history, RichProgressBar()] if on_terminal else [history],
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
        enable_checkpointing=False,  # `History` does it
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,  # each epoch has its own order
        logger=False,
        default_root_dir=history.last.parent,
        plugins=LightningEnvironment(),  # one process, within a Slurm job of many tasks too
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Lightning warns of and nobody should mend."""
    with warnings.catch_warnings():
        # Reading is a slice of a mapped or cached file; workers would cost more than they bring.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*GPU available but not used.*")  # --device cpu
        # Lightning still passes this to PyTorch's tree utilities.
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
        yield


@contextmanager
def _stops_as_python_does() -> Iterator[None]:
    """Raise KeyboardInterrupt where Lightning exits by itself, and hear Ctrl-C again.

    Lightning answers Ctrl-C with SystemExit and leaves SIGINT ignored; it answers SIGTERM with a
    SystemExit that a shell takes for success.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt from stop
    finally:
        if signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)
