"""Small trees of every declared corpus, written from trees.yaml."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

TREES: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "trees.yaml").read_text(encoding="utf-8")
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dataset" in metafunc.fixturenames:
        metafunc.parametrize("dataset", sorted(TREES))


@pytest.fixture
def trees() -> dict[str, dict[str, Any]]:
    return TREES


@pytest.fixture
def write_tree() -> Callable[[str, Path], None]:
    """Return what writes the small tree of a corpus."""

    def write(dataset: str, root: Path) -> None:
        tree = TREES[dataset]
        for name in tree["recordings"]:
            path = root / name.removesuffix(" x2")
            path.parent.mkdir(parents=True, exist_ok=True)
            rate = tree.get("rate", 16_000)
            samples = np.zeros((rate // 10, 2 if name.endswith(" x2") else 1))
            ending = path.suffix[1:].upper()
            soundfile.write(path, samples, rate, format=ending)
        for name, text in tree.get("texts", {}).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    return write
