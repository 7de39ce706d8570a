"""The emotion of one recording as a script does it: `python journey_predict_peer.py WAV MODEL`.

transformers' Whisper, the mean of its last layer, and coefficients of a logistic regression (zeros:
they cost as much). Says where its time went as JSON.
"""

import json
import sys
import time

begun = time.perf_counter()

import numpy as np  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402
from transformers import WhisperFeatureExtractor, WhisperModel  # noqa: E402

imported = time.perf_counter()


def main() -> None:
    """Encode, pool and classify."""
    wav, model = sys.argv[1:]
    extractor = WhisperFeatureExtractor.from_pretrained(model)
    encoder = WhisperModel.from_pretrained(model, dtype=torch.float32).eval().encoder
    loaded = time.perf_counter()
    samples, rate = soundfile.read(wav, dtype="float32")
    inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")
    with torch.no_grad():
        pooled = encoder(inputs.input_features).last_hidden_state[0].mean(dim=0).numpy()
    logits = np.zeros((7, len(pooled))) @ pooled
    probabilities = np.exp(logits) / np.exp(logits).sum()
    ended = time.perf_counter()
    spent = {
        "imports": imported - begun,
        "model": loaded - imported,
        "arithmetic": ended - loaded,
        "inside": ended - begun,
        "sum": float(probabilities.sum()),
    }
    sys.stdout.write("\n" + json.dumps(spent) + "\n")


if __name__ == "__main__":
    main()
