"""Stacked classifiers against one bare PyTorch loop with fused Adam a model.

1,024 features, 7 classes, 400 utterances, leave-one-speaker-out with ten folds, one epoch.
"""

import itertools

import numpy as np
import pytest
import torch
from ratios import medians, report
from torch import nn
from torch.nn import functional

from tokser.classify.grid import Fold, train_stack
from tokser.config import GridSettings

FEATURES, CLASSES, TRAIN, DEV = 1_024, 7, 400, 60
HIDDEN = (128, 64, 32)


def loop(fold, batch_size):
    widths = (FEATURES, *HIDDEN)
    blocks = [
        layer
        for wide, narrow in itertools.pairwise(widths)
        for layer in (nn.Linear(wide, narrow), nn.LayerNorm(narrow), nn.ReLU())
    ]
    model = nn.Sequential(*blocks, nn.Linear(HIDDEN[-1], CLASSES))
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    rows, labels = torch.from_numpy(fold.train), torch.from_numpy(fold.train_labels)
    for chosen in torch.randperm(TRAIN).split(batch_size):
        adam.zero_grad()
        functional.cross_entropy(model(rows[chosen]), labels[chosen]).backward()
        adam.step()


@pytest.mark.parametrize("batch_size", [4, 64])
def test_a_stack_against_a_loop(batch_size):
    rng = np.random.default_rng(0)

    def part(size):
        rows = rng.normal(size=(size, FEATURES)).astype(np.float32)
        return rows, rng.integers(0, CLASSES, size)

    folds = [Fold(number, *part(TRAIN), *part(DEV)) for number in range(10)]
    settings = GridSettings(epochs=1, hidden=HIDDEN)

    def stacked():
        for first in (0, 5):
            train_stack(
                folds[first : first + 5],
                [1e-3] * 5,
                batch_size=batch_size,
                num_classes=CLASSES,
                settings=settings,
                seed=0,
                device=torch.device("cpu"),
            )

    seconds = medians(
        {"stacked": stacked, "loop": lambda: [loop(fold, batch_size) for fold in folds]}
    )
    ratio = seconds["loop"] / seconds["stacked"]
    report(f"grid-batch-{batch_size}", seconds, {"vs_loop": ratio})
    assert ratio > 1
