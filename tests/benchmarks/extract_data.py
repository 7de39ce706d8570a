"""What extraction is measured on: real recordings of EmoDB, and checkpoints of the right size."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from transformers import (
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

__all__ = [
    "mixed_lengths",
    "noise_windows",
    "recordings",
    "wavlm_base",
    "wavlm_of_size",
    "whisper_of_size",
]

RATE_HZ = 16_000
_VERSIONS = "abcdefghijklmnopqrstuvwxyz"


def recordings(wavs: Path, folder: Path, number: int) -> Path:
    """Lay out an EmoDB of so many recordings: spread over all there are, or with copies of them."""
    (folder / "wav").mkdir(parents=True)
    real = sorted(wavs.glob("*.wav"))
    chosen = real[:: max(1, len(real) // number)][:number]
    taken: set[str] = set()
    for version, path in itertools.product(_VERSIONS, chosen):
        name = path.stem if version == "a" else path.stem[:-1] + version
        if len(taken) == number:
            break
        if name not in taken:
            taken.add(name)
            (folder / "wav" / f"{name}.wav").symlink_to(path)
    return folder


def mixed_lengths(wavs: Path, folder: Path, number: int) -> Path:
    """Lay out an EmoDB whose recordings, real ones in a row, last 1 to 15 s."""
    rng = np.random.default_rng(0)
    return _in_a_row(wavs, folder, rng.uniform(1, 15, number).tolist())


def noise_windows(folder: Path, number: int, seconds: float = 30.0) -> Path:
    """Lay out an EmoDB of so many recordings of noise, all of one length."""
    (folder / "wav").mkdir(parents=True)
    rng = np.random.default_rng(0)
    speakers, texts = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16"), ("a01", "b02")
    names = itertools.product(speakers, texts, "FWNTALE", _VERSIONS)
    for speaker, text, emotion, version in itertools.islice(names, number):
        samples = rng.normal(0, 0.1, int(seconds * RATE_HZ)).astype(np.float32)
        target = folder / "wav" / f"{speaker}{text}{emotion}{version}.wav"
        soundfile.write(target, samples, RATE_HZ)
    return folder


def _in_a_row(wavs: Path, folder: Path, seconds: list[float]) -> Path:
    (folder / "wav").mkdir(parents=True)
    real = sorted(wavs.glob("*.wav"))
    order = np.random.default_rng(0).permutation(len(real))
    for place, length_s in enumerate(seconds):
        pieces = [soundfile.read(real[i], dtype="float32")[0] for i in np.roll(order, place)[:40]]
        target = folder / "wav" / real[order[place]].name
        soundfile.write(target, np.concatenate(pieces)[: int(length_s * RATE_HZ)], RATE_HZ)
    return folder


def wavlm_base(folder: Path) -> Path:
    """Save a WavLM-base of full size with random weights."""
    return wavlm_of_size(folder)


def wavlm_of_size(folder: Path, **config: Any) -> Path:
    """Save a WavLM of some size, base by default, with random weights."""
    torch.manual_seed(0)
    WavLMModel(WavLMConfig(**config)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=False).save_pretrained(
        folder
    )
    return folder


def whisper_of_size(folder: Path, *, dim: int, num_layers: int, num_mels: int) -> Path:
    """Save a Whisper encoder of some size with random weights."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=dim,
        encoder_layers=num_layers,
        encoder_attention_heads=dim // 64,
        encoder_ffn_dim=4 * dim,
        num_mel_bins=num_mels,
    )
    WhisperEncoder(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=num_mels).save_pretrained(folder)
    return folder
