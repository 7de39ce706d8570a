"""The head `tuned`: blocks of an encoder and a pooling on top, trained together fold by fold."""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from tokser.config import FrameHeadSettings, GridSettings
from tokser.config.tune import TuneSettings
from tokser.errors import SettingsError
from tokser.experiments.heads.attentive import AttentivePooling
from tokser.experiments.heads.emobox import EmoBoxPooling
from tokser.experiments.heads.frames.fold import FrameFold, frame_fold
from tokser.experiments.heads.frames.model import FrameModel, TermShape
from tokser.experiments.heads.frames.pooling import Pooling
from tokser.experiments.heads.head import Choice, FittedFold, Fitting, Head
from tokser.experiments.heads.mean_std import MeanStdPooling
from tokser.experiments.heads.superb import SuperbPooling
from tokser.experiments.heads.trained_head import FittedHead, TrainedHead
from tokser.experiments.heads.transformer import TransformerPooling
from tokser.experiments.heads.tuned.blocks import EncoderBlocks
from tokser.experiments.heads.tuned.checkpoint import (
    TunedDescription,
    is_saved,
    load_tuned,
    save_tuned,
)
from tokser.experiments.heads.tuned.length_batches import in_length_batches
from tokser.experiments.heads.tuned.model import Moments, TunedModel, moments_above
from tokser.experiments.heads.tuned.search import (
    point_params,
    refit_weights,
    trial_rows,
    tune_point,
)
from tokser.experiments.heads.tuned.training import Recipe, TunedWeights, predict
from tokser.experiments.task import Loss
from tokser.experiments.training_data import TrainingData
from tokser.functionals.standardise import Standardiser
from tokser.progress import say
from tokser.provenance import digest_of

__all__ = ["POOLINGS", "TunedHead"]

POOLINGS: dict[str, Pooling] = {
    "attentive": AttentivePooling(),
    "emobox": EmoBoxPooling(),
    "superb": SuperbPooling(),
    "transformer": TransformerPooling(),
    "mean-std": MeanStdPooling(),
}


class TunedHead(Head):
    """Blocks k + 1 to L and a head on layer L, or on a mix of layers k to L.

    Each fold is kept in a folder of its own as soon as it is trained, and read from there.

    Args:
        name: Key of `POOLINGS`.
        blocks: Of the encoder that made the store.
        settings: How they are trained.
        inputs: Digest of what is read from the store.
        encoder: Provenance of the feature that they start from.
    """

    losses = frozenset[Loss]({"cross-entropy", "squared error"})
    is_network = True

    def __init__(
        self,
        name: str,
        blocks: EncoderBlocks,
        settings: TuneSettings,
        inputs: str,
        encoder: Mapping[str, Any],
    ) -> None:
        self._name, self._pooling, self._blocks = name, POOLINGS[name], blocks
        self._settings, self._inputs, self._encoder = settings, inputs, encoder
        self._pooling.check(settings.frame_heads)
        first = blocks.first if settings.mix else blocks.last
        self._layers = tuple(range(first, blocks.last + 1))
        self._moments: tuple[tuple[str, ...], Moments] | None = None

    @property
    def reads(self) -> Literal["functionals", "means", "frames"]:
        """Frames of layer k."""
        return "frames"

    def num_points(self, grid: GridSettings) -> int:
        """Count the learning rates of the blocks."""
        return len(self._settings.blocks_rates)

    def fit(self, data: TrainingData, how: Fitting) -> Generator[FittedFold, None, None]:
        """Train every fold that is not in its folder yet."""
        for number, split in enumerate(data.splits):
            folder = self._folder(data, split.fold)
            made_of = self._made_of(data, number, how)
            if is_saved(folder, made_of):
                say(f"{folder}: already trained")
                how.on_models(self.num_points(data.grid) + how.refit)
            else:
                weights, description = self._train(data, number, how)
                save_tuned(folder, made_of, weights, description)
            yield self._fitted(data, number, folder)

    def fit_all(self, data: TrainingData, choice: Choice) -> FittedHead:
        """Refuse: what `tokser fit` keeps has no place for an encoder's blocks."""
        raise SettingsError(
            "tokser fit",
            expected="a head on stored features",
            got="tuned blocks of an encoder",
            remedy="Write the tuned layers into the store with `tokser apply`, and fit on them.",
        )

    def _train(
        self, data: TrainingData, number: int, how: Fitting
    ) -> tuple[TunedWeights, TunedDescription]:
        recipe = self._recipe(data)
        fold = frame_fold(data, number)
        moments = self._moments_of(data)
        scaling = moments.scaling(fold.train.ids)
        points = []
        for rate in self._settings.blocks_rates:
            points.append(tune_point(recipe, fold, scaling, rate, data.task, data.classes))
            how.on_models(1)
        best = max(range(len(points)), key=lambda place: (points[place].dev_score, -place))
        weights, tuned_on = points[best].weights, (*fold.train.ids, *fold.dev.ids)
        rows = trial_rows(points, best, recipe, data.task, scaling.num_constant)
        if how.refit:
            both = frame_fold(data, number, with_dev=True)
            weights = refit_weights(recipe, both, moments.scaling(both.train.ids), points[best])
            how.on_models(1)
            fold = both
        scale = fold.target_scale
        description = TunedDescription(
            source=self._blocks.source,
            layers=self._layers,
            head=self._name,
            options=self._settings.frame_heads.model_dump(mode="json"),
            classes=data.classes,
            dataset=self._settings.dataset,
            fold=data.splits[number].fold,
            tuned_on=tuned_on,
            encoder=dict(self._encoder),
            target_scale=None if scale is None else (scale.mean, scale.scale),
            params=point_params(recipe, points[best].blocks_rate),
            trials=[{k: _written(value) for k, value in row.items()} for row in rows],
            adapters=self._settings.lora,
        )
        return weights, description

    def _recipe(self, data: TrainingData) -> Recipe:
        term = data.frames[0]
        shape = TermShape(len(self._layers), term.dim)
        options = FrameHeadSettings(**self._settings.frame_heads.model_dump())
        model = FrameModel(self._pooling, (shape,), len(data.classes) or 1, options)
        device = torch.device(data.device)
        return Recipe(self._blocks, model, self._layers, self._settings, data.seed, device)

    def _moments_of(self, data: TrainingData) -> Moments:
        """Return moments of the layers that the head reads, by untouched blocks; kept."""
        ids = tuple(data.target.index)
        if self._moments is None or self._moments[0] != ids:
            term = data.frames[0]
            batches = in_length_batches(term.num_frames(ids), self._settings.batch_size)
            blocks = self._blocks.copied().eval().to(data.device)
            self._moments = ids, moments_above(blocks, term, ids, batches, self._layers)
        return self._moments[1]

    def _fitted(self, data: TrainingData, number: int, folder: Path) -> FittedFold:
        _, description = load_tuned(folder)
        fold = frame_fold(data, number, with_dev=self._settings.refit)
        width = len(self._layers) * data.frames[0].dim
        nothing = Standardiser(np.zeros(width), np.ones(width))
        member = TrainedTuned(folder, self._recipe(data), fold)
        fitted = FittedTuned(member, nothing, fold.target_scale)
        trials = [
            {name: np.nan if value is None else value for name, value in row.items()}
            for row in description.trials
        ]
        return FittedFold(description.params, trials, fitted)

    def _folder(self, data: TrainingData, fold: str) -> Path:
        parts = [self._name, data.name, fold]
        text = "-".join(part for part in parts if part)
        safe = re.sub(r"[^\w.-]", "_", text, flags=re.ASCII)
        name = safe if safe == text else f"{safe}-{digest_of(text)[:8]}"
        return self._settings.out / "folds" / name

    def _made_of(self, data: TrainingData, number: int, how: Fitting) -> str:
        """Return the digest of everything that decides a fold's weights."""
        split = data.splits[number]
        left_out = {"out", "store", "device", "check", "ledger", "frames_mb", "seed", "num_seeds"}
        left_out |= {"protocols", "splits_file", "num_folds", "group_by", "stratify", "heads"}
        settings = self._settings.model_dump(mode="json", exclude=left_out | {"encoder"})
        targets = data.targets((*split.train, *split.dev)).tolist()
        decided_by = [settings, self._name, self._inputs, self._blocks.weights_sha256, data.seed]
        return digest_of([*decided_by, split.train, split.dev, targets, data.classes, how.refit])


def _written(value: Any) -> Any:
    """Return a number as JSON has it: NaN as null."""
    return None if isinstance(value, float) and np.isnan(value) else value


class TrainedTuned(TrainedHead):
    """Tuned blocks of a fold and their head, where they lie on disk."""

    kind = "tuned"

    def __init__(self, folder: Path, recipe: Recipe, fold: FrameFold) -> None:
        self.folder, self._recipe, self._fold = folder, recipe, fold

    def predict(self, ids: Sequence[str]) -> np.ndarray:
        """Return probabilities, or numbers on the scale of the training part."""
        weights, _ = load_tuned(self.folder)
        recipe, device = self._recipe, self._recipe.device
        blocks = recipe.blocks.with_weights(weights.blocks).to(device)
        pooled = weights.head.scaling
        if pooled is not None:
            pooled = replace(
                pooled, centre=pooled.centre.to(device), inverse=pooled.inverse.to(device)
            )
        settings = recipe.settings
        model = TunedModel(
            *(blocks, recipe.layers, recipe.head, weights.scaling, pooled),
            in_bf16=settings.precision == "bf16",
        )
        parameters = {name: own.to(device) for name, own in weights.head.parameters.items()}
        return predict(model, parameters, self._fold, ids, settings)

    @property
    def reads_frames(self) -> bool:
        """Whether it reads frames: those of layer k."""
        return True

    def outputs(self, values: np.ndarray) -> np.ndarray:
        """Refuse: functionals do not suffice."""
        raise TypeError("tuned blocks read frames, and no functionals")

    def arrays(self) -> dict[str, np.ndarray]:
        """Return nothing: the weights are in the folder of the fold."""
        return {}

    def description(self) -> dict[str, Any]:
        """Return where the weights are."""
        return {"folder": str(self.folder)}

    @classmethod
    def restored(
        cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> "TrainedTuned":
        """Refuse: a model folder has no place for an encoder's blocks."""
        raise ValueError("tuned blocks, which a model folder has no place for")

    @property
    def num_features(self) -> int:
        """Numbers in a frame of layer k."""
        return self._fold.terms[0].dim

    @property
    def num_outputs(self) -> int:
        """Number of classes; 0 where it puts out numbers."""
        return 0 if self._fold.importance is None else self._recipe.head.num_outputs


@dataclass(frozen=True)
class FittedTuned(FittedHead):
    """Tuned blocks with the scale of the numbers that they were trained for."""

    head: TrainedTuned

    def predict(self, data: TrainingData, ids: Sequence[str]) -> np.ndarray:
        """Return probabilities, or numbers of the corpus."""
        return self.on_scale(self.head.predict(ids))
