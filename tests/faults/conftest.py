"""Faults of disks, processes and bits.

TOKSER_FAULTS=full raises the counts: `make test-faults`.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tokser.corpora.transcript import EMODB_SENTENCES
from tokser.testing.encoders import build_tiny_bert, build_tiny_whisper

FULL = os.environ.get("TOKSER_FAULTS") == "full"


@pytest.fixture(scope="session")
def counts() -> dict[str, int]:
    """How often each fault is tried."""
    if FULL:
        return {"kills": 200, "flips": 1_000, "concurrent_rounds": 10}
    return {"kills": 4, "flips": 60, "concurrent_rounds": 1}


@pytest.fixture(scope="session")
def encoders(tmp_path_factory) -> tuple[str, str]:
    """A tiny random speech encoder and a text encoder."""
    folder = tmp_path_factory.mktemp("encoders")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_bert(folder / "tiny-bert", list(EMODB_SENTENCES.values()) * 4)
    return str(folder / "tiny-whisper"), str(folder / "tiny-bert")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Twenty-four recordings of noise in EmoDB's layout, one of them broken."""
    root = tmp_path_factory.mktemp("emodb")
    (root / "wav").mkdir()
    rng = np.random.default_rng(0)
    names = [f"{s}{t}{e}a" for s in ("03", "08", "09") for t in ("a01", "b02") for e in "FWNT"]
    for name in names:
        samples = rng.normal(0, 0.1, rng.integers(6_000, 20_000))
        soundfile.write(root / "wav" / f"{name}.wav", samples, 16_000)
    (root / "wav" / "08b02Na.wav").write_bytes(b"no audio")
    return root


@pytest.fixture
def small_shards(monkeypatch):
    """Cut even a tiny corpus into many shards."""
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 8_192)
