"""`tokser.fit` and `tokser.load_model`: a trained model, used on new recordings."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from tokser.api.options import FitOptions, PredictOptions
from tokser.api.results import Results
from tokser.api.stores import AnyStore, folder_beside, opened
from tokser.config import FitSettings
from tokser.config.keywords import settings_from
from tokser.errors import SettingsError
from tokser.experiments.models.folder import load_model as read_model
from tokser.experiments.models.folder import save_model
from tokser.experiments.models.model import Estimate, Model
from tokser.notebook import table_html
from tokser.progress import say
from tokser.provenance import Stamp, digest_of
from tokser.report.tasks import TASKS
from tokser.stages.fit import fit as run_fit
from tokser.store import Store

__all__ = ["TrainedModel", "fit", "load_model"]

_UNNAMED = "unnamed"


class TrainedModel:
    """A model that was trained: predicts recordings, folders and stores, and can be kept.

    Args:
        model: What was trained.
        folder: Where it is kept; None: nowhere yet.

    Attributes:
        folder: Where it is kept.
    """

    def __init__(self, model: Model, folder: Path | None = None) -> None:
        self._model, self.folder = model, folder

    @property
    def task(self) -> str:
        """`classification` or `regression`."""
        return self._model.task

    @property
    def classes(self) -> tuple[str, ...]:
        """What it tells apart, in the order of the probabilities; empty for numbers."""
        return self._model.classes

    @property
    def features(self) -> str:
        """The feature expression that it reads."""
        return self._model.features

    @property
    def estimate(self) -> Estimate | None:
        """The score that can be expected on new speakers: protocol, value, interval, n."""
        return self._model.estimate

    @cached_property
    def results(self) -> Results | None:
        """The results that the estimate comes from, where their folder is still there."""
        folder = self._model.estimate.results if self._model.estimate else ""
        return Results(folder) if folder and Path(folder).is_dir() else None

    def predict(
        self, inputs: AnyStore | Sequence[str | Path], **options: Unpack[PredictOptions]
    ) -> pd.DataFrame:
        """Predict recordings or a store.

        Args:
            inputs: An audio file, a folder, a manifest, several of them, or a store whose features
                were made as those of the model were.
            **options: As `tokser predict --help` shows them: `window`, `hop`, `encoder`...

        Returns:
            A row for each recording (or window): its prediction, and the probability of each class.

        Raises:
            InputError: An input is missing, unreadable, or needs a transcript that it has not.
            StoreMismatchError: The store was made by another encoder than the model's.
        """
        from tokser.prediction.run import predict

        if isinstance(inputs, Store) and not options:
            inputs.reload()
            return self._model.predict_store(inputs)
        given = inputs.path if isinstance(inputs, Store) else inputs
        return predict(self._model, given, **options)

    def save(self, folder: str | Path) -> Path:
        """Keep the model in a new folder: weights, `model.json`, and a model card.

        Raises:
            SettingsError: The folder holds something else.
        """
        save_model(self._model, Path(folder))
        self.folder = Path(folder)
        return self.folder

    def __repr__(self) -> str:
        where = f", {str(self.folder)!r}" if self.folder else ""
        return f"TrainedModel({self.features} -> {self._predicts}{where})"

    def _repr_html_(self) -> str:
        """Show in a notebook what the model reads, predicts, and is worth."""
        heads = ", ".join(dict.fromkeys(member.head_name for member in self._model.members))
        rows = [
            ("features", self.features),
            ("head", heads),
            ("predicts", self._predicts),
            ("score to expect", self._score),
            ("folder", str(self.folder) if self.folder else "not saved"),
        ]
        return table_html(f"Model of {self._model.dataset}", ("", ""), rows)

    @property
    def _predicts(self) -> str:
        return ", ".join(self.classes) or self._model.target

    @property
    def _score(self) -> str:
        found = self.estimate
        if found is None:
            return "unknown: the model of one fold"
        headline = next(t.headline for t in TASKS if t.headline.column == found.metric)
        number = headline.number(found.score, found.low, found.high)
        leaks = f", {found.leaks}" if found.leaks else ""
        return f"{headline.name} {number}, {found.protocol}, n = {found.num_test}{leaks}"


def fit(
    store: AnyStore,
    *,
    features: str,
    head: str | None = None,
    out: str | Path | None = None,
    **options: Unpack[FitOptions],
) -> TrainedModel:
    """Train a model on everything usable, with the score of its protocol.

    Grid point, layer and weights are selected by the dev parts of the protocol's folds; the score
    is that of their test parts.

    Args:
        store: A store whose features are pooled.
        features: One expression, such as `whisper-base/layer-3` or `best(whisper-base/layer-*)`.
        head: What is trained; without, mlp for classes and ridge for numbers.
        out: Folder of the model; without, one beside the store, `NAME-models/fit-DIGEST`.
        **options: As `tokser fit --help` shows them: `protocol`, `target`, `grid`...

    Raises:
        InputError: A keyword, the expression, a label or the folder is not what it should be.
        StoreError: The store is damaged, or holds another dataset.
    """
    there = opened(store)
    places = {"dataset": there.dataset, "store": there.path, "out": out or _UNNAMED}
    keywords: dict[str, Any] = {**places, "features": features, "head": head, **options}
    settings = settings_from(FitSettings, keywords, where="tokser.fit")
    if out is None:
        folder = folder_beside(there, "models", "fit", _stamp(there, settings))
        say(f"fit: in {folder}")
        settings = settings.model_copy(update={"out": folder})
    return load_model(run_fit(settings))


def load_model(folder: str | Path) -> TrainedModel:
    """Open a model folder that `tokser.fit`, `tokser fit` or `classify --save-models` wrote.

    Raises:
        MissingInputError: There is no model, or a file of it is not there.
        DamagedFileError: A file is not as it was written.
        CheckpointError: It is of a later version, or does not fit together.
    """
    return TrainedModel(read_model(folder), Path(folder))


def _stamp(store: Store, settings: FitSettings) -> Stamp:
    """Return what the folder of a model is named by: its settings, and the data in the store."""
    data = {name: store.identity(name) for name in store.pooled}
    return Stamp("fit", settings.model_dump(mode="json"), {"data": digest_of(data)})
