"""The process that compiles the kernel gives the weights that every later one gives."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import hashlib
import numpy as np
from tokser.experiments.grid import Point
from tokser.experiments.heads.mlp.fold import Fold
from tokser.experiments.heads.mlp.per_model import compile_kernel, prepare, train_per_model
from tokser.config import GridSettings

compile_kernel()
rng = np.random.default_rng(0)
values, labels = rng.normal(size=(200, 300)).astype(np.float32), np.arange(200) % 5
fold = Fold(0, values[:150], labels[:150], values[150:], labels[150:], np.arange(50) % 2)
settings = GridSettings(epochs=4)
trained = train_per_model(
    prepare(fold, epochs=4, seed=0), Point(8, 5e-3, (128, 64, 32)), num_classes=5,
    settings=settings, seed=0,
)
print(hashlib.sha256(b"".join(part.numpy().tobytes() for part in trained.parameters)).hexdigest())
"""


def test_the_first_grid_has_the_bits_of_the_second(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    )
    assert first == second
    assert len(first.strip()) == 64
