"""`tokser predict` against a loop over transformers' pipeline with the same encoder weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from extract_data import mixed_lengths
from ratios import markdown_table, medians
from transformers import (
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WavLMForSequenceClassification,
    pipeline,
)

from tokser.encoders import load_encoder
from tokser.encoders.checkpoint import quiet_transformers
from tokser.experiments.feature_expressions import Early, Term
from tokser.experiments.heads.mlp.model import initialise
from tokser.experiments.heads.mlp.trained import TrainedMLP
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.models import FeatureRecipe, GroupRecipe, Member, Model
from tokser.experiments.models.recipe import FeatureUse
from tokser.functionals.standardise import Standardiser
from tokser.prediction.featurise import Featuriser
from tokser.prediction.run import predict_all

__all__ = ["measure"]

CLASSES = ("anger", "happiness", "neutral", "sadness")


def measure(folder: Path, wavs: Path, number: int, rounds: int) -> tuple[dict[str, float], str]:
    """Predict recordings of 1 to 15 s, both with their models loaded; files per second."""
    ways = _ways(folder, wavs, number)
    seconds = medians(ways, rounds=rounds, turn_s=0)
    rows = [[name, f"{number / value:.2f}"] for name, value in seconds.items()]
    figures = {
        "predict_vs_pipeline": seconds["pipeline, a file at a time"] / seconds["tokser predict"]
    }
    header = [f"WavLM-base, {number} recordings of 1 to 15 s, fp32", "files per second"]
    text = (
        "`tokser predict` from the sound files to the table of probabilities, against a loop over "
        '`transformers.pipeline("audio-classification")` with the same encoder weights; what both '
        "take is the encoder's time."
    )
    return figures, f"{text}\n\n{markdown_table(header, rows)}"


def _ways(folder: Path, wavs: Path, number: int) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    config = WavLMConfig(num_labels=len(CLASSES))
    network = WavLMForSequenceClassification(config)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=False)
    for name, part in (("whole", network), ("wavlm-base", network.wavlm)):
        part.save_pretrained(folder / name)
        extractor.save_pretrained(folder / name)
    root = mixed_lengths(wavs, folder / "mixed", number)
    paths = sorted((root / "wav").iterdir())
    with quiet_transformers():
        classify = pipeline(
            "audio-classification", model=str(folder / "whole"), device="cpu", dtype=torch.float32
        )

    def loop() -> list[object]:
        found = []
        for path in paths:
            samples, rate = soundfile.read(path, dtype="float32")
            found.append(classify({"raw": samples, "sampling_rate": rate}, top_k=None))
        return found

    model = _model(folder / "wavlm-base")
    featuriser = Featuriser.load(model, device="cpu")
    return {
        "pipeline, a file at a time": loop,
        "tokser predict": lambda: predict_all(model, paths, featuriser=featuriser),
    }


def _model(encoder: Path) -> Model:
    """Return a model with a random head on the encoder's last layer."""
    loaded = load_encoder(str(encoder), revision=None, device=torch.device("cpu"))
    width = 2 * loaded.dim
    name = f"layer-{loaded.num_layers}"
    use = FeatureUse(loaded.dim, "float16", ("mean", "std"))
    group = GroupRecipe(loaded.name, "speech", str(encoder), loaded.provenance(), {name: use})
    head = TrainedMLP(initialise([width, 128, len(CLASSES)], [[0]]))
    fitted = FittedHead(head, Standardiser(np.zeros(width), np.ones(width)))
    term = Term(f"{loaded.name}/{name}")
    member = Member(Early((term,)), (width,), fitted, "mlp")
    return Model(
        task="classification",
        target="label",
        dataset="emodb",
        features=str(term),
        classes=CLASSES,
        members=(member,),
        how="single",
        weights=(),
        recipe=FeatureRecipe((group,)),
    )
