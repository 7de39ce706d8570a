from pathlib import Path

import numpy as np
import pytest

from tokser.encoders.tiny import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

TEXTS = ("Das will sie am Mittwoch abgeben.", "a man said to the universe", "Tüten unter dem Tisch")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A folder of tiny random checkpoints."""
    folder = tmp_path_factory.mktemp("encoders")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_wavlm(folder / "tiny-wavlm")
    build_tiny_wavlm(folder / "tiny-wavlm-large", layer_norm=True)
    build_tiny_bert(folder / "tiny-bert", TEXTS * 20)
    return folder


@pytest.fixture(scope="session")
def waveforms() -> list[np.ndarray]:
    """Noise of 0.5, 1.3, 1.3 and 0.05 s at 16 kHz."""
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in (8_000, 20_803, 20_803, 800)]
