"""Tuning two upper blocks from a stored layer, against the same training from audio.

WavLM-base of random weights and the right size. The plain loop runs transformers' own model on
waveforms, all of it frozen but the last two blocks, so that nothing below them keeps a gradient.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional
from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel

from tokser.config import TuneSettings
from tokser.encoders import load_encoder
from tokser.experiments.classification import Classification
from tokser.experiments.frames import TermFrames
from tokser.experiments.heads.frames.fold import frame_fold
from tokser.experiments.heads.tuned.blocks import EncoderBlocks
from tokser.experiments.heads.tuned.head import TunedHead
from tokser.experiments.heads.tuned.training import TuningRun
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData
from tokser.functionals.moments import mean_std
from tokser.store import RaggedBatch

FIRST, BATCH, NUM, SECONDS, CLASSES = 10, 4, 8, 2, 4


class Rows:
    """A stored layer in memory, fp16 as a store has it."""

    def __init__(self, name: str, rows: dict[str, np.ndarray]) -> None:
        self.name, self.rows, self.ids = name, rows, list(rows)
        self.dim = next(iter(rows.values())).shape[1]
        self.lengths = pd.Series({one: len(own) for one, own in rows.items()})

    def __getitem__(self, utterance: str) -> np.ndarray:
        return self.rows[utterance]

    def ragged(self, utterances: list[str], allocate: Any = np.empty) -> RaggedBatch:
        own = [self.rows[name] for name in utterances]
        return RaggedBatch(np.concatenate(own), np.array([len(one) for one in own]))

    def functionals(self) -> pd.DataFrame:
        pooled = [mean_std(own.astype(np.float32)) for own in self.rows.values()]
        return pd.DataFrame(np.stack(pooled), index=pd.Index(self.ids, name="id"))


def tune_vs_audio(rounds: int = 3) -> dict[str, float]:
    """Return `tune_vs_audio` and the seconds of an epoch of 8 utterances of 2 s, both ways."""
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(0, 0.1, 16_000 * SECONDS).astype(np.float32) for _ in range(NUM)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "wavlm-base"
        torch.manual_seed(0)
        WavLMModel(WavLMConfig()).save_pretrained(folder)
        Wav2Vec2FeatureExtractor().save_pretrained(folder)
        stored = stored_epoch(folder, waveforms)
        audio = audio_epoch(folder, waveforms)
        seconds: dict[str, list[float]] = {"tune_s": [], "audio_s": []}
        for _ in range(rounds):
            for name, epoch in (("tune_s", stored), ("audio_s", audio)):
                begin = time.perf_counter()
                epoch()
                seconds[name].append(time.perf_counter() - begin)
    best = {name: min(turns) for name, turns in seconds.items()}
    return {"tune_vs_audio": best["audio_s"] / best["tune_s"], **best}


def stored_epoch(
    folder: Path,
    waveforms: list[np.ndarray],
    *,
    first: int = FIRST,
    batch: int = BATCH,
    device: str = "cpu",
    precision: str = "fp32",
) -> Any:
    """Return what trains an epoch of the blocks above a layer, from rows that are ready."""
    where = torch.device(device)
    encoder: Any = load_encoder(str(folder), revision=None, device=where)
    rows = [encoder.encode([one], [first])[0][first].astype(np.float16) for one in waveforms]
    ids = [f"u{number}" for number in range(len(waveforms))]
    source = f"{folder.name}/layer-{first}"
    told = {"dataset": "d", "store": "", "source": source, "out": folder, "batch_size": batch}
    told |= {"device": device, "precision": precision}
    settings = TuneSettings.parse({**told, "heads": ("mean-std",), "epochs": 100}, where="bench")
    module = encoder.upper_blocks(first)
    blocks = EncoderBlocks(module, source, {n: f"layer-{n}" for n in module.layers}, "")
    target = pd.Series([f"c{number % CLASSES}" for number in range(len(ids))], index=ids)
    stored = Rows(source, dict(zip(ids, rows, strict=True)))
    data = TrainingData(
        *(Classification(), pd.DataFrame(index=ids), target),
        *((Split("all", tuple(ids), tuple(ids[:1]), tuple(ids[:1]), ""),), settings.grid, 0),
        frames=(TermFrames((stored,), device=device),),
        device=device,
    )
    head = TunedHead("mean-std", blocks, settings, "", {})
    fold = frame_fold(data, 0)
    run = TuningRun(head._recipe(data), fold, head._moments_of(data).scaling(ids), 1e-4)
    return lambda: run.train_epoch(1)


def audio_epoch(
    folder: Path,
    waveforms: list[np.ndarray],
    *,
    first: int = FIRST,
    batch: int = BATCH,
    device: str = "cpu",
) -> Any:
    """Return what trains an epoch of the same blocks in transformers' model, from waveforms."""
    model: Any = WavLMModel.from_pretrained(folder).requires_grad_(False).eval().to(device)
    model.encoder.layers[first:].requires_grad_(True)
    output = nn.Linear(2 * model.config.hidden_size, CLASSES, device=device)
    trained = [*model.encoder.layers[first:].parameters(), *output.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=1e-4)
    audio = torch.from_numpy(np.stack(waveforms)).to(device)
    target = torch.arange(len(waveforms), device=device) % CLASSES

    def epoch() -> None:
        for begin in range(0, len(waveforms), batch):
            states = model(audio[begin : begin + batch]).last_hidden_state
            pooled = torch.cat([states.mean(dim=1), states.std(dim=1)], dim=-1)
            loss = functional.cross_entropy(output(pooled), target[begin : begin + batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    return epoch


if __name__ == "__main__":
    print(tune_vs_audio())
