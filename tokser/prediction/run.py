"""The engine of `tokser predict`: chunk after chunk of recordings, which an output keeps."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from tokser.config import PredictSettings
from tokser.config.calibration import Exchangeable
from tokser.corpora.manifest import Manifest
from tokser.experiments.models import Model
from tokser.experiments.models.calibration import PREDICTION_SET, Shown
from tokser.prediction.by_speaker import predict_by_speaker, require_speakers, with_functionals
from tokser.prediction.featurise import Featurised, Featuriser
from tokser.prediction.inputs import find_recordings, only_store, say_what_is_unusual
from tokser.prediction.output import REASON, Output, require_format
from tokser.prediction.rows import PredictedRows
from tokser.prediction.transcribe_inputs import InputTranscription, with_transcripts
from tokser.prediction.windows import Windows
from tokser.progress import progress_bar, say
from tokser.provenance import Stamp, digest_of
from tokser.store import open_store

__all__ = ["Predictions", "predict", "predict_all", "predict_by_settings"]

CHUNK_S, CHUNK_ROWS = 600.0, 256
"""Most audio and most rows of a chunk, which is what an interruption loses at most."""
_TIMES = ("id", "start_s", "end_s")
_ROW = "row"


class Predictions(NamedTuple):
    """What was predicted.

    Attributes:
        table: Columns `id`, `start_s`, `end_s`, then `label`, `probability_<class>` of each class
            and, where asked for, `prediction_set`, or the target, then the transcript and what
            made it where recordings were transcribed; in the order of the inputs.
        quarantined: Why a recording or a window was not predicted, by its name.
    """

    table: pd.DataFrame
    quarantined: dict[str, str]


@dataclass(frozen=True)
class How:
    """How recordings are predicted.

    Attributes:
        windows: How they are cut; None: not.
        encoders: Folders or hub ids of encoders that are elsewhere now than at training.
        device: `auto`, `cpu`, `cuda`, ...
        batch_seconds: Audio in a batch, in seconds; None: what suits the device.
        featuriser: The model's encoders, loaded before; None: they are loaded.
        transcription: How recordings are transcribed; None: transcripts are given, or not read.
    """

    windows: Windows | None = None
    encoders: Sequence[str] = ()
    device: str = "auto"
    batch_seconds: float | None = None
    featuriser: Featuriser | None = None
    transcription: InputTranscription | None = None

    def load(self, model: Model) -> Featuriser:
        """Return the model's encoders."""
        return self.featuriser or Featuriser.load(
            model, encoders=self.encoders, device=self.device, batch_seconds=self.batch_seconds
        )


def predict(model: Model, inputs: Any, **options: Any) -> pd.DataFrame:
    """Return the table of `predict_all`, which takes the same arguments."""
    return predict_all(model, inputs, **options).table


def predict_all(
    model: Model,
    inputs: Any,
    *,
    transcript: str | None = None,
    transcribe: str | None = None,
    language: str | None = None,
    root: Path | None = None,
    window_s: float | None = None,
    hop_s: float | None = None,
    encoders: Sequence[str] = (),
    device: str = "auto",
    batch_seconds: float | None = None,
    probabilities: Literal["calibrated", "raw"] = "calibrated",
    sets: Exchangeable | None = None,
    coverage: float | None = None,
    featuriser: Featuriser | None = None,
    out: Path | None = None,
    read_lines: Callable[[], Iterable[str]] = lambda: (),
) -> Predictions:
    """Predict recordings, or a store.

    Args:
        model: The model.
        inputs: Audio files, folders, manifests (.csv), `-`, or one store; or one of these alone.
        transcript: What is said in the only recording, for a model that reads text.
        transcribe: Folder or hub id of a Whisper that transcribes recordings without a transcript
            first, or `auto`; None: none does.
        language: Language of all recordings, for `transcribe`; None: that of a manifest, else it
            is detected.
        root: Folder that the paths of manifests are relative to; None: that of each manifest.
        window_s: Length of windows, in seconds; None: recordings are taken whole.
        hop_s: Distance of two windows, in seconds; None: as long as a window.
        encoders: Folders or hub ids of encoders that are elsewhere now than at training.
        device: `auto`, `cpu`, `cuda`, ...
        batch_seconds: Audio in a batch, in seconds; None: what suits the device.
        probabilities: `raw`: as the head puts them out, also where the model is calibrated.
        sets: Prediction sets, see `Model.showing`; None: none.
        coverage: Of the sets; None: the first one that the model was fitted for.
        featuriser: `Featuriser.load(model, ...)`, for several calls, in place of these three.
        out: File to write, .csv, .parquet or .jsonl; the same call goes on where it was stopped.
        read_lines: Returns the list of paths that `-` stands for.

    Raises:
        InputError: Inputs, model and encoders do not fit each other, or nothing is there.
        SettingsError: `out` was written by something else.
        RunError: Another process writes `out`.
    """
    if out is not None:
        require_format(out)
    model = model.showing(raw=probabilities == "raw", sets=sets, level=coverage)
    windows = Windows.of(window_s, hop_s)
    names = [str(one) for one in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    store = only_store(names)
    transcription = InputTranscription.of(
        model,
        None if transcribe is None else str(transcribe),
        language,
        device=device,
        in_windows=windows is not None,
        is_store=store is not None,
    )
    if store is not None:
        return _predict_store(model, store, out)
    recordings = find_recordings(names, root=root, transcript=transcript, read_lines=read_lines)
    how = How(windows, encoders, device, batch_seconds, featuriser, transcription)
    return _predict_recordings(model, recordings, how, out)


def predict_by_settings(
    model: Model,
    settings: PredictSettings,
    read_lines: Callable[[], Iterable[str]] = lambda: (),
) -> Predictions:
    """Predict what the settings of `tokser predict` name; raises what `predict_all` raises."""
    return predict_all(
        model,
        settings.inputs,
        transcript=settings.transcript,
        transcribe=settings.transcribe,
        language=settings.language,
        root=settings.root,
        window_s=settings.window,
        hop_s=settings.hop,
        encoders=settings.encoders,
        device=settings.device,
        batch_seconds=settings.batch_seconds,
        probabilities=settings.probabilities,
        sets=settings.sets,
        coverage=settings.coverage,
        out=settings.out,
        read_lines=read_lines,
    )


def model_digest(model: Model) -> str:
    """Return a digest of everything that decides a model's predictions, and what they show."""
    content: list[Any] = [model.task, model.target, model.classes, model.how, model.weights]
    content += [model.standardise, list(map(str, model.terms))]
    content += [[group.name, group.provenance] for group in model.recipe.groups]
    if model.calibration is not None and model.shown != Shown(raw=True):
        content.append(["calibration", model.calibration.temperature, list(model.shown)])
        thresholds = [list(one[:3]) for one in model.calibration.thresholds]
        content.append([model.calibration.set_score, thresholds])
    for member in model.members:
        scaling = member.fitted.scaling
        arrays = {**member.fitted.head.arrays(), "mean": scaling.mean, "scale": scaling.scale}
        content.append([str(member.features), member.fitted.head.description()])
        content.append(repr(member.fitted.target_scale))
        content += [
            [name, hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()]
            for name, array in sorted(arrays.items())
        ]
    return digest_of(content)


def _predict_recordings(
    model: Model, recordings: Manifest, how: How, out: Path | None
) -> Predictions:
    require_speakers(model, recordings, in_windows=how.windows is not None)
    rows = PredictedRows.of(recordings, how.windows)

    def stamp() -> Stamp:
        settings = how.windows.described() if how.windows else {}
        inputs = {"model": model_digest(model), "recordings": rows.digest(recordings)}
        if how.transcription is not None:
            inputs["transcribe"] = digest_of(how.transcription.identity())
        return Stamp("predict", settings, inputs)

    def predicted(output: Output | None) -> Predictions:
        if model.recipe.needs_audio:
            say_what_is_unusual(recordings)
        if how.transcription is None:
            done = pd.concat(_chunks(model, rows, how, output), ignore_index=True)
            return _assembled(model, done, recordings)
        spoken, reasons = how.transcription.fill(recordings, out)
        chunks = _chunks(model, PredictedRows.of(spoken, None), how, output)
        found = _assembled(model, pd.concat(chunks, ignore_index=True), spoken)
        quarantined = {name: reasons.get(name, why) for name, why in found.quarantined.items()}
        return Predictions(with_transcripts(found.table, spoken), quarantined)

    return _kept(out, stamp, predicted)


def _kept(
    out: Path | None,
    stamp: Callable[[], Stamp],
    predicted: Callable[[Output | None], Predictions],
) -> Predictions:
    """Return predictions; those that an output holds already, or new ones, which it keeps.

    Args:
        out: File of the output; None: nothing is kept.
        stamp: Returns what the predictions are made of.
        predicted: Makes them; chunks may be kept in the output meanwhile.
    """
    if out is None:
        return predicted(None)
    output = Output(out, stamp())
    if output.is_done:
        say(f"{out}: already done")
        return Predictions(output.table(), output.reasons())
    with output.begun():
        found = predicted(output)
        output.finish(*found)
    output.remove_parts()
    return found


def _chunks(
    model: Model, rows: PredictedRows, how: How, output: Output | None
) -> list[pd.DataFrame]:
    featurise = how.load(model).plan(rows)
    unit = "recordings" if how.windows is None else "windows"
    found = []
    with progress_bar("predict", total=len(rows), unit=unit) as bar:
        for number, positions in enumerate(rows.chunks(CHUNK_S, CHUNK_ROWS)):
            table = None if output is None else output.part(number)
            if table is None:
                table = _chunk(model, rows, featurise(positions), positions)
                if output is not None:
                    output.put_part(number, table)
            found.append(table)
            bar.advance(len(positions))
    return found


def _chunk(
    model: Model, rows: PredictedRows, featurised: Featurised, positions: Sequence[int]
) -> pd.DataFrame:
    """Return the rows of a chunk with their predictions, or with the reason why there is none."""
    table = rows.table.iloc[list(positions)].rename_axis(_ROW).reset_index()
    reasons = [featurised.quarantined.get(row) for row in table[_ROW]]
    table[REASON] = pd.Series(reasons, index=table.index, dtype=object)
    if model.standardise == "speaker":
        return with_functionals(table, featurised)
    if all(reasons):
        texts = ("label", PREDICTION_SET)
        empty = {name: None if name in texts else np.nan for name in model.columns}
        return table.assign(**empty)
    predicted = model.predict_functionals(featurised.tables(), frames=featurised.frames_of)
    return table.join(predicted, on=_ROW)


def _assembled(model: Model, done: pd.DataFrame, recordings: Manifest) -> Predictions:
    is_fine = done[REASON].isna()
    bad, fine = done[~is_fine], done[is_fine]
    quarantined = dict(zip(bad[_ROW].astype(str), bad[REASON].astype(str), strict=True))
    if model.standardise == "speaker" and len(fine):
        predicted = predict_by_speaker(model, fine, recordings)
        fine = fine[[_ROW, *_TIMES]].join(predicted, on=_ROW)
    table = fine.reindex(columns=[*_TIMES, *model.columns]).reset_index(drop=True)
    return Predictions(table, quarantined)


def _predict_store(model: Model, path: str, out: Path | None) -> Predictions:
    """Predict the utterances of a store from its functionals; no encoder runs."""
    store = open_store(path)

    def stamp() -> Stamp:
        identities = [store.identity(term.feature) for term in model.terms]
        inputs = {"model": model_digest(model), "store": digest_of(identities)}
        return Stamp("predict", {}, inputs)

    def predicted(output: Output | None) -> Predictions:
        found = model.predict_store(store)
        about = store.utterances.loc[found.index]
        seconds = about["num_samples"] / about["sampling_rate_hz"].clip(lower=1)
        table = found.assign(start_s=0.0, end_s=seconds).reset_index()
        reasons = store.quarantined
        left_out = {
            name: reasons.get(name, "not in the store's functionals")
            for name in store.ids
            if name not in found.index
        }
        return Predictions(table[[*_TIMES, *model.columns]], left_out)

    return _kept(out, stamp, predicted)
