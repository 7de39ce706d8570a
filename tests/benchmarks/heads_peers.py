"""The usual ways of training a head on frames: a DataLoader over files, all in RAM, s3prl."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset


class Cost(NamedTuple):
    """Seconds of one step, and of the evaluation of one utterance of dev."""

    step: float
    evaluated: float


class Attentive(nn.Module):
    """Attentive statistics pooling on padded batches, as one writes it."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.attention, self.score = nn.Linear(dim, 64), nn.Linear(64, 1, bias=False)
        self.output = nn.Linear(2 * dim, classes)

    def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
        scores = self.score(torch.tanh(self.attention(rows)))
        weights = scores.masked_fill(~mask[..., None], -torch.inf).softmax(dim=1)
        mean = (weights * rows).sum(dim=1)
        square = (weights * rows**2).sum(dim=1)
        deviation = (square - mean**2).clamp(min=1e-5).sqrt()
        return self.output(torch.cat([mean, deviation], dim=-1))


class Superb(nn.Module):
    """s3prl's Featurizer and UtteranceLevel model on padded batches of all layers."""

    def __init__(self, layers: int, dim: int, classes: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers))
        self.projector, self.output = nn.Linear(dim, 256), nn.Linear(256, classes)

    def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Take [batch, longest, layers, dim]."""
        stacked = rows.permute(2, 0, 1, 3)
        norm = self.weights.softmax(dim=-1)
        mixed = (norm.view(-1, 1, 1, 1) * stacked).sum(dim=0)
        projected = self.projector(mixed) * mask[..., None]
        return self.output(projected.sum(dim=1) / mask.sum(dim=1, keepdim=True))


class Files(Dataset):
    """An utterance a .npy file, standardised as it is read."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int], scaling: tuple) -> None:
        self._files, self._labels, self._scaling = files, labels, scaling

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        mean, scale = self._scaling
        rows = torch.from_numpy(np.load(self._files[place])).float()
        return (rows - mean) / scale, self._labels[place]


class InMemory(Dataset):
    """The same, standardised once and kept."""

    def __init__(self, source: Files) -> None:
        self._items = [source[place] for place in range(len(source))]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self._items[place]


def padded(items: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Put utterances side by side, with a mask."""
    rows = pad_sequence([rows for rows, _ in items], batch_first=True)
    counts = torch.tensor([len(rows) for rows, _ in items])
    mask = torch.arange(rows.shape[1]) < counts[:, None]
    return rows, mask, torch.tensor([label for _, label in items])


def cost_of(
    make: Callable[[], nn.Module], data: Dataset, *, batch_size: int, steps: int, threads: int
) -> Cost:
    """Time a plain loop: DataLoader, forward, cross-entropy, backward, Adam; and an evaluation."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(0)
        model, loss = make(), nn.CrossEntropyLoss()
        adam = torch.optim.Adam(model.parameters(), fused=True)
        seconds = []
        while len(seconds) < steps + 2:
            begin = time.perf_counter()
            for rows, mask, labels in DataLoader(data, batch_size, shuffle=True, collate_fn=padded):
                adam.zero_grad()
                loss(model(rows, mask), labels).backward()
                adam.step()
                seconds.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                if len(seconds) == steps + 2:
                    break
        begin, number = time.perf_counter(), 0
        with torch.no_grad():
            for rows, mask, _ in DataLoader(data, batch_size, collate_fn=padded):
                model(rows, mask).argmax(dim=1)
                number += len(rows)
                if number >= steps * batch_size // 4:
                    break
        return Cost(float(np.median(seconds[2:])), (time.perf_counter() - begin) / number)
    finally:
        torch.set_num_threads(before)


def best_cost(make: Callable[[], nn.Module], data: Dataset, **options: int) -> Cost:
    """Return the faster of one thread and all of them."""
    all_threads = torch.get_num_threads()
    costs = [cost_of(make, data, threads=n, **options) for n in {1, all_threads}]
    return min(costs, key=lambda cost: cost.step)
