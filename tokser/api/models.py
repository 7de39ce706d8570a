"""`tokser.fit` and `tokser.load_model`: a trained model, used on new recordings."""

import base64
from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from tokser.api.options import FitOptions, PredictOptions
from tokser.api.results import Results
from tokser.api.stores import AnyStore, folder_beside, opened
from tokser.config import FitSettings
from tokser.config.keywords import settings_from
from tokser.config.predict import PredictSettings
from tokser.errors import InputError, list_some
from tokser.experiments.models.calibration import Calibration
from tokser.experiments.models.folder import load_model as read_model
from tokser.experiments.models.folder import save_model, types_within
from tokser.experiments.models.model import Estimate, Model
from tokser.missing_packages import names_missing_packages
from tokser.notebook import table_html, without_widgets
from tokser.progress import say, warn
from tokser.provenance import Stamp, digest_of
from tokser.report.tasks import TASKS
from tokser.stages.fit import fit as run_fit
from tokser.store import Store

if TYPE_CHECKING:
    from tokser.prediction.run import Predictions

__all__ = ["Timeline", "TrainedModel", "fit", "load_model"]

_UNNAMED = "unnamed"
_SVG = "image/svg+xml"


class TrainedModel:
    """A model that was trained: predicts recordings, folders and stores, and can be kept.

    Args:
        model: What was trained.
        folder: Where it is kept; None: nowhere yet.

    Attributes:
        folder: Where it is kept.

    Example:
        >>> import tokser
        >>> store = "workspace/stores/emodb.zarr"
        >>> model = tokser.fit(store, features="whisper-base/layer-3", head="logreg")
        >>> table = model.predict("corpora/emodb/wav/03a01Wa.wav")
        >>> list(table.columns[:5])
        ['id', 'start_s', 'end_s', 'label', 'probability_anger']
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

    @property
    def calibration(self) -> Calibration | None:
        """Temperature, thresholds of prediction sets, and how good they are; None: none."""
        return self._model.calibration

    @cached_property
    def results(self) -> Results | None:
        """The results that the estimate comes from, where their folder is still there."""
        folder = self._model.estimate.results if self._model.estimate else ""
        return Results(folder) if folder and Path(folder).is_dir() else None

    @names_missing_packages
    def predict(
        self, inputs: AnyStore | Sequence[str | Path], **options: Unpack[PredictOptions]
    ) -> pd.DataFrame:
        """Predict recordings or a store.

        What cannot be read is left out with a warning; `.attrs["quarantined"]` of the table has the
        reasons.

        Args:
            inputs: An audio file, a folder, a manifest (.csv), several of them, or a store whose
                features were made as those of the model were.
            **options: As `tokser predict --help` shows them: `window`, `hop`, `encoders`, `out`...

        Returns:
            A row for each recording or window, with `id`, `start_s`, `end_s`, then `label` and
            `probability_<class>` of each class, calibrated unless `probabilities="raw"`; with
            `sets`, `prediction_set`. Or the target.

        Raises:
            InputError: An input is missing, none can be read, or a transcript is needed.
            StoreMismatchError: The store was made by another encoder than the model's.
        """
        found = self._predictions(inputs, dict(options))
        left_out = [f"{name} ({reason})" for name, reason in found.quarantined.items()]
        if left_out and found.table.empty:
            raise InputError(
                "predict",
                expected="recordings that can be read",
                got=list_some(left_out),
                remedy="Correct or replace these recordings.",
            )
        if left_out:
            warn(f"{len(left_out)} recordings are not predicted: {list_some(left_out, most=3)}")
        found.table.attrs["quarantined"] = found.quarantined
        return found.table

    @names_missing_packages
    def timeline(
        self, recording: str | Path, *, window: float, hop: float | None = None, **options: Any
    ) -> "Timeline":
        """Predict one recording over time; a notebook shows the picture.

        Args:
            recording: Its file.
            window: Length of the windows, in seconds.
            hop: From the beginning of a window to that of the next, in seconds; None: a window.
            **options: As for `predict`.
        """
        table = self.predict(recording, **{**options, "window": window, "hop": hop})
        return Timeline(Path(recording), table, self._model)

    def _predictions(self, inputs: Any, options: dict[str, Any]) -> "Predictions":
        without_widgets()
        from tokser.prediction.run import predict_by_settings  # encoders, where they are needed

        given = inputs.path if isinstance(inputs, Store) else inputs
        named = (given,) if isinstance(given, str | Path) else tuple(given)
        keywords = {
            "model": self.folder or Path(),
            "inputs": [str(one) for one in named],
            **options,
        }
        settings = settings_from(PredictSettings, keywords, where="predict")
        return predict_by_settings(self._model, settings)

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
        heads = ", ".join(dict.fromkeys(member.head for member in self._model.members))
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


class Timeline:
    """The windows of one recording: a table, and a picture of it.

    Args:
        recording: Its file.
        table: The predictions of its windows.
        model: What made them.

    Attributes:
        table: The predictions.
    """

    def __init__(self, recording: Path, table: pd.DataFrame, model: Model) -> None:
        self._recording, self.table, self._model = recording, table, model

    def save(self, out: str | Path) -> Path:
        """Write the picture: .png, .svg, or .html with a player."""
        from tokser.prediction.timeline import draw_timeline

        draw_timeline(self._recording, self.table, self._model, Path(out), name=self._name)
        return Path(out)

    def __repr__(self) -> str:
        return f"Timeline({str(self._recording)!r}, {len(self.table)} windows)"

    def _repr_html_(self) -> str:
        """Draw it in a notebook: the waveform, the outputs over time, the dominant class."""
        from tokser.prediction.timeline import envelope_of, timeline

        title = f"{self._recording.name}, {self._name}"
        drawn = timeline(envelope_of(self._recording), self.table, self._model, title=title)
        encoded = base64.b64encode(drawn.render("svg")).decode()
        return f'<img style="width:100%" alt="{escape(title)}" src="data:{_SVG};base64,{encoded}">'

    @property
    def _name(self) -> str:
        return f"{self._model.dataset}, {self._model.features}"


@names_missing_packages
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

    Example:
        >>> import tokser
        >>> model = tokser.fit(
        ...     "workspace/stores/emodb.zarr", features="whisper-base/layer-3", head="logreg"
        ... )
        >>> model.classes
        ('anger', 'happiness', 'neutral')
        >>> model.estimate.protocol
        'speaker'
    """
    there = opened(store)
    places = {"dataset": there.dataset, "store": there.path, "out": out or _UNNAMED}
    keywords: dict[str, Any] = {**places, "features": features, "head": head, **options}
    settings = settings_from(FitSettings, keywords, where="tokser.fit")
    if out is None:
        folder = folder_beside(there, "models", "fit", _stamp(there, settings))
        say(f"fit: in {folder}")
        settings = settings.model_copy(update={"out": folder})
    made = run_fit(settings)
    return load_model(made, trusted=types_within(made))


@names_missing_packages
def load_model(folder: str | Path, *, trusted: Sequence[str] = ()) -> TrainedModel:
    """Open a model folder that `tokser.fit`, `tokser fit` or `classify --save-models` wrote.

    Args:
        folder: The folder.
        trusted: Types of other packages that its head may hold, `package.module.Class`: name them
            if you know who made the model.

    Raises:
        MissingInputError: There is no model, or a file of it is not there.
        DamagedFileError: A file is not as it was written.
        CheckpointError: It is of a later version, or does not fit together.

    Example:
        >>> import tokser
        >>> store = "workspace/stores/emodb.zarr"
        >>> made = tokser.fit(store, features="whisper-base/layer-3", head="logreg", out="emotions")
        >>> tokser.load_model("emotions").features
        'whisper-base/layer-3'
    """
    return TrainedModel(read_model(folder, trusted=trusted), Path(folder))


def _stamp(store: Store, settings: FitSettings) -> Stamp:
    """Return what the folder of a model is named by: its settings, and the data in the store."""
    data = {name: store.identity(name) for name in store.pooled}
    return Stamp("fit", settings.model_dump(mode="json"), {"data": digest_of(data)})
