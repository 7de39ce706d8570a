from pathlib import Path

import numpy as np
import pytest

from tokser.testing.encoders import (
    build_tiny_bert,
    build_tiny_text,
    build_tiny_wav2vec2,
    build_tiny_wavlm,
    build_tiny_whisper,
)

TEXTS = ("Das will sie am Mittwoch abgeben.", "a man said to the universe", "Tüten unter dem Tisch")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A folder of tiny random checkpoints, one or two of every family."""
    folder = tmp_path_factory.mktemp("encoders")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_whisper(folder / "tiny-whisper-128", num_mel_bins=128)
    build_tiny_wavlm(folder / "tiny-wavlm")
    build_tiny_wavlm(folder / "tiny-wavlm-large", layer_norm=True)
    for family in ("hubert", "wav2vec2"):
        build_tiny_wav2vec2(folder / f"tiny-{family}", family=family)
        build_tiny_wav2vec2(folder / f"tiny-{family}-large", family=family, layer_norm=True)
    build_tiny_wav2vec2(folder / "tiny-data2vec", family="data2vec-audio")
    build_tiny_bert(folder / "tiny-bert", TEXTS * 20)
    build_tiny_bert(folder / "tiny-bert-cased", TEXTS * 20, lowercase=False)
    for family in ("roberta", "xlm-roberta", "distilbert"):
        build_tiny_text(folder / f"tiny-{family}", TEXTS * 20, family=family)
    return folder


@pytest.fixture(scope="session")
def waveforms() -> list[np.ndarray]:
    """Noise of 0.5, 1.3, 1.3 and 0.05 s at 16 kHz."""
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in (8_000, 20_803, 20_803, 800)]
