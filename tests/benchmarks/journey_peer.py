"""From recordings to a score as most scripts do it: `python journey_peer.py WAVS MODEL OUT`.

transformers, one file at a time, all layers to `.npy` files, their means and deviations, and
scikit-learn's logistic regression, leaving one speaker out. Says where its time went as JSON.
"""

import json
import sys
import time
from pathlib import Path

begun = time.perf_counter()

import numpy as np  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import recall_score  # noqa: E402
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from transformers import WhisperFeatureExtractor, WhisperModel  # noqa: E402

imported = time.perf_counter()


def main() -> None:
    """Extract, pool, train and score."""
    wavs, model, out = map(Path, sys.argv[1:])
    paths = sorted(wavs.glob("*.wav"))
    out.mkdir(parents=True)
    extractor = WhisperFeatureExtractor.from_pretrained(model)
    encoder = WhisperModel.from_pretrained(model, dtype=torch.float32).eval().encoder
    loaded = time.perf_counter()
    pooled = []
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")
        with torch.no_grad():
            hidden = encoder(inputs.input_features, output_hidden_states=True).hidden_states
        layers = torch.cat(hidden).numpy()
        np.save(out / f"{path.stem}.npy", layers)
        pooled.append(np.concatenate([layers.mean(axis=1), layers.std(axis=1)], axis=1))
    extracted = time.perf_counter()
    speakers = np.array([path.stem[:2] for path in paths])
    labels = np.array([path.stem[5] for path in paths])
    values = np.stack(pooled)
    scores = []
    for layer in range(values.shape[1]):
        head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        found = cross_val_predict(
            head, values[:, layer], labels, groups=speakers, cv=LeaveOneGroupOut()
        )
        scores.append(recall_score(labels, found, average="macro"))
    ended = time.perf_counter()
    spent = {
        "imports": imported - begun,
        "model": loaded - imported,
        "extract": extracted - loaded,
        "classify": ended - extracted,
        "inside": ended - begun,
    }
    sys.stdout.write("\n" + json.dumps(spent) + "\n")


if __name__ == "__main__":
    main()
