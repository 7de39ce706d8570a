"""Other ways to train one model a point: what a step, an epoch's evaluation and a start cost them.

A way is measured on a part of an epoch at every batch size, and scaled by counts of steps.
"""

import itertools
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import recall_score
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from tokser.experiments.heads.mlp.fold import Fold

HIDDEN = (128, 64, 32)
STEPS = 24
"""Steps that are timed at a batch size, or as many as an epoch has, at least 4."""


class Cost(NamedTuple):
    """Seconds of a step, of what each epoch needs beside its steps, and of starting a model."""

    step: float
    epoch: float
    start: float


Peer = Callable[[Fold, int, int], Cost]
"""Measures a fold at a batch size, for a number of classes."""


def model_of(num_features: int, num_classes: int) -> nn.Sequential:
    """Return the classifier as torch's own layers."""
    layers: list[nn.Module] = []
    for wide, narrow in itertools.pairwise((num_features, *HIDDEN)):
        layers += [nn.Linear(wide, narrow), nn.LayerNorm(narrow), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], num_classes))


def num_steps(fold: Fold, batch_size: int) -> int:
    """Count the steps that are timed; an epoch's own order is drawn again where it is short."""
    return max(4, min(STEPS, -(-len(fold.train) // batch_size)))


def loop(fold: Fold, batch_size: int, num_classes: int) -> Cost:
    """A bare hand-written loop with fused Adam, its data in memory."""
    begin = time.perf_counter()
    model = model_of(fold.train.shape[1], num_classes)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    rows, labels, dev = map(torch.from_numpy, (fold.train, fold.train_target, fold.dev))
    start = time.perf_counter() - begin
    schedule = ReduceLROnPlateau(adam, mode="max", patience=10)
    ticks: list[float] = []
    while len(ticks) < num_steps(fold, batch_size) + 3:  # two to warm up
        for chosen in torch.randperm(len(rows)).split(batch_size):
            ticks.append(time.perf_counter())
            adam.zero_grad()
            functional.cross_entropy(model(rows[chosen]), labels[chosen]).backward()
            adam.step()
    begin = time.perf_counter()
    with torch.inference_mode():
        guesses = model(dev).argmax(dim=1)
    schedule.step(recall_score(fold.dev_target, guesses.numpy(), average="macro"))
    _ = {name: value.clone() for name, value in model.state_dict().items()}
    return Cost(float(np.median(np.diff(ticks)[2:])), time.perf_counter() - begin, start)


def scikit_learn(fold: Fold, batch_size: int, num_classes: int) -> Cost:
    """`MLPClassifier` with the same widths, batches and Adam; it has no LayerNorm."""
    size = min(batch_size, len(fold.train))
    count = num_steps(fold, size)
    model = MLPClassifier(HIDDEN, batch_size=size, learning_rate_init=1e-3, max_iter=1)
    repeated = np.arange(count * size) % len(fold.train)
    classes = np.arange(num_classes)
    begin = time.perf_counter()
    model.partial_fit(fold.train[:size], fold.train_target[:size], classes=classes)
    start = time.perf_counter() - begin
    begin = time.perf_counter()
    model.partial_fit(fold.train[repeated], fold.train_target[repeated])
    step = (time.perf_counter() - begin) / count
    begin = time.perf_counter()
    recall_score(fold.dev_target, model.predict(fold.dev), average="macro")
    return Cost(step, time.perf_counter() - begin, max(start - step, 0))


def lightning(fold: Fold, batch_size: int, num_classes: int, *, is_tuned: bool = False) -> Cost:
    """One `Trainer` with a `DataLoader` a point: the way of the report.

    It has what the method asks for, the plateau on dev UAR and the best epoch kept, Adam as one
    writes it and the loss told to Lightning; and neither bars, summaries, sanity checks nor
    loggers. Tuned, Adam is fused, and nothing is told at a step.
    """
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint

    ticks: dict[str, list[float]] = {"step": [], "epoch": []}

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model_of(fold.train.shape[1], num_classes)

        def training_step(self, batch, _):
            loss = functional.cross_entropy(self.model(batch[0]), batch[1])
            if not is_tuned:
                self.log("loss", loss)
            return loss

        def validation_step(self, batch, _):
            guesses = self.model(batch[0]).argmax(dim=1)
            self.log("uar", recall_score(batch[1].numpy(), guesses.numpy(), average="macro"))

        def configure_optimizers(self):
            adam = torch.optim.Adam(self.parameters(), lr=1e-3, fused=is_tuned or None)
            schedule = ReduceLROnPlateau(adam, mode="max", patience=10)
            return {
                "optimizer": adam,
                "lr_scheduler": {"scheduler": schedule, "monitor": "uar"},
            }

        def on_train_epoch_start(self):
            ticks["epoch"].append(time.perf_counter())

        def on_train_batch_start(self, batch, number):
            ticks["step"].append(time.perf_counter())

    def loader(rows, labels, size, shuffle):
        parts = TensorDataset(torch.from_numpy(rows), torch.from_numpy(labels))
        return DataLoader(parts, batch_size=size, shuffle=shuffle)

    count, epochs = min(STEPS, -(-len(fold.train) // batch_size)), 3
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            limit_train_batches=count,
            num_sanity_val_steps=0,
            logger=False,
            callbacks=[ModelCheckpoint(folder, monitor="uar", mode="max")],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(
            Module(),
            loader(fold.train, fold.train_target, batch_size, True),
            loader(fold.dev, fold.dev_target, len(fold.dev), False),
        )
    whole = time.perf_counter() - begin
    epoch = float(np.median(np.diff([*ticks["epoch"], begin + whole])[1:]))
    gaps = np.diff(np.reshape(ticks["step"], (epochs, count)), axis=1)[1:]
    # An epoch of one step has no gap between steps: then all of the epoch is its own.
    step = float(np.median(gaps)) if count > 1 else 0.0
    return Cost(step, max(epoch - count * step, 0), max(whole - epochs * epoch, 0))


PEERS: dict[str, Peer] = {
    "lightning": lightning,
    "lightning_tuned": partial(lightning, is_tuned=True),
    "sklearn": scikit_learn,
    "loop": loop,
}


def best_cost(peer: Peer, fold: Fold, batch_size: int, num_classes: int, *, rounds: int) -> Cost:
    """Return a peer's fastest round on the better of one thread and all."""
    found = []
    most = torch.get_num_threads()
    for num_threads in dict.fromkeys((1, most)):
        torch.set_num_threads(num_threads)
        with threadpool_limits(num_threads), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found += [peer(fold, batch_size, num_classes) for _ in range(rounds)]
    torch.set_num_threads(most)
    steps = -(-len(fold.train) // batch_size)
    return min(found, key=lambda cost: steps * cost.step + cost.epoch)
