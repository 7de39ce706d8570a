"""Faults of disks, processes and bits.

TOKSER_FAULTS=full raises the counts: `make test-faults`.
"""

import os
from pathlib import Path

import pytest

from tokser.corpora.transcript import emodb_sentences
from tokser.testing.encoders import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

FULL = os.environ.get("TOKSER_FAULTS") == "full"


@pytest.fixture(scope="session")
def counts() -> dict[str, int]:
    """How often each fault is tried."""
    if FULL:
        return {"kills": 200, "flips": 1_000, "concurrent_rounds": 10}
    return {"kills": 4, "flips": 60, "concurrent_rounds": 1}


@pytest.fixture(scope="session")
def encoders(tmp_path_factory) -> tuple[str, ...]:
    """Two tiny random speech encoders, which share what is decoded, and a text encoder."""
    folder = tmp_path_factory.mktemp("encoders")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_bert(folder / "tiny-bert", list(emodb_sentences().values()) * 4)
    build_tiny_wavlm(folder / "tiny-wavlm")
    return tuple(str(folder / f"tiny-{name}") for name in ("whisper", "wavlm", "bert"))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, write_noise_emodb) -> Path:
    """Twenty-four recordings of noise in EmoDB's layout, one of them broken."""
    root = tmp_path_factory.mktemp("emodb")
    write_noise_emodb(root)
    return root


@pytest.fixture
def small_shards(monkeypatch):
    """Cut even a tiny corpus into many shards."""
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 8_192)
