from pathlib import Path

import numpy as np
import pytest
import soundfile

from tokser.corpora.transcript import EMODB_SENTENCES
from tokser.testing.encoders import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A folder of tiny random checkpoints."""
    folder = tmp_path_factory.mktemp("encoders")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_wavlm(folder / "tiny-wavlm")
    build_tiny_bert(folder / "tiny-bert", list(EMODB_SENTENCES.values()) * 4)
    return folder


@pytest.fixture
def emodb(tmp_path) -> Path:
    """Six recordings of noise in EmoDB's layout, under a folder with a name beyond ASCII."""
    root = tmp_path / "Korpus für Gefühle"
    (root / "wav").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("03a01Fa", "03a02Wa", "08a01Na", "08b01Ta", "09a01La", "09a05Ea"):
        samples = rng.normal(0, 0.1, rng.integers(6_000, 20_000))
        soundfile.write(root / "wav" / f"{name}.wav", samples, 16_000)
    return root
