"""How activations are extracted by most scripts: plain transformers, fp32, a file or a few at once.

Source: the pattern of the model cards on the hub, and of what follows them (Nkululeko, s3prl's and
SpeechBrain's recipes): processor, model, hidden state, numpy.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import (
    Wav2Vec2FeatureExtractor,
    WavLMModel,
    WhisperFeatureExtractor,
    WhisperModel,
)

from tokser.encoders.checkpoint import quiet_transformers

__all__ = ["Script", "usual_wavlm", "usual_whisper"]

Script = Callable[[Sequence[Path]], list[np.ndarray]]


def usual_whisper(folder: Path) -> Script:
    """Return the usual script for Whisper, its model loaded: one file at a time."""
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    with quiet_transformers():
        encoder = WhisperModel.from_pretrained(folder, dtype=torch.float32).eval().encoder

    def script(paths: Sequence[Path]) -> list[np.ndarray]:
        found = []
        for path in paths:
            samples, rate = soundfile.read(path, dtype="float32")
            inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")
            with torch.no_grad():
                hidden = encoder(inputs.input_features).last_hidden_state
            found.append(hidden.squeeze(0).numpy())
        return found

    return script


def usual_wavlm(folder: Path, batch: int) -> Script:
    """Return the usual script for WavLM, its model loaded: padded batches in arrival order."""
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    with quiet_transformers():
        model = WavLMModel.from_pretrained(folder, dtype=torch.float32).eval()

    def script(paths: Sequence[Path]) -> list[np.ndarray]:
        found = []
        for first in range(0, len(paths), batch):
            chosen = paths[first : first + batch]
            samples = [soundfile.read(path, dtype="float32")[0] for path in chosen]
            inputs = extractor(samples, sampling_rate=16_000, return_tensors="pt", padding=True)
            with torch.no_grad():
                hidden = model(inputs.input_values).last_hidden_state
            found += [row.numpy() for row in hidden]
        return found

    return script
