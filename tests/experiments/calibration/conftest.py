import numpy as np
import pytest

from tokser.experiments.calibration.predicted import Predicted

CLASSES = ("anger", "neutral", "sadness")


def make_predicted(num_speakers=6, each=40, *, boldness=1.0, seed=0) -> Predicted:
    """Predictions whose truth is drawn from their own probabilities, sharpened by `boldness`."""
    rng = np.random.default_rng(seed)
    count = num_speakers * each
    logits = rng.normal(size=(count, 3)) * 1.5
    exact = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (rng.random((count, 1)) > exact.cumsum(axis=1)).sum(axis=1).clip(max=2)
    bold = np.exp(boldness * logits)
    return Predicted(
        ids=np.array([f"utt{i:04d}" for i in range(count)], dtype=object),
        probabilities=bold / bold.sum(axis=1, keepdims=True),
        truth=truth.astype(np.int64),
        units=np.array([f"s{i % num_speakers}" for i in range(count)], dtype=object),
    )


@pytest.fixture(scope="module")
def predicted() -> Predicted:
    return make_predicted()


@pytest.fixture(scope="session")
def predict_some():
    """Makes predictions of speakers."""
    return make_predicted
