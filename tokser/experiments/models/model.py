"""A trained model: members that are averaged, and everything that predicting needs to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from tokser.config.calibration import Exchangeable
from tokser.errors import InputError, list_some
from tokser.experiments.classification import PROBABILITY
from tokser.experiments.feature_expressions import Term
from tokser.experiments.models.calibration import PREDICTION_SET, Calibration, Shown
from tokser.experiments.models.member import Member, ReadFrames
from tokser.experiments.models.recipe import FeatureRecipe
from tokser.experiments.task import Task
from tokser.functionals.rounding import read_rounding
from tokser.functionals.standardise import standardise_by_speaker
from tokser.functionals.tables import read_functionals
from tokser.progress import say
from tokser.store import Store

__all__ = ["Averaging", "Estimate", "Model", "kind_of"]

Averaging = Literal["single", "mean", "weighted"]


def kind_of(task: Task) -> Literal["classification", "regression"]:
    """Return what the models of a task predict: classes or numbers."""
    return "regression" if task.tables.task == "regression" else "classification"


@dataclass(frozen=True)
class Estimate:
    """What can be expected of a model on speakers like those of its corpus: its protocol's score.

    It is that of the whole procedure (selection by dev, refit), tested on each fold's test part;
    the model itself was fitted on everything, and nothing is left to test it on.

    Attributes:
        protocol: Name of the splits.
        metric: `uar` or `ccc`.
        score: Of all folds' test predictions together.
        low: Lower end of the 95 % interval; None without.
        high: Upper end.
        no_interval: Why there is none.
        num_test: Utterances that were tested.
        unit: What the interval takes as independent: speakers, sessions.
        num_units: How many of them.
        leaks: What test shares with train, as the audit says it: `LEAKS SPEAKERS`; empty: nothing.
        results: Folder of the results that it comes from.
        scores: All scores of that row, by column.
        classes: Recall and so on of each class, with intervals.
        confusion: Counts by label and prediction.
        by_group: The metric by group of utterances, such as speakers' sex.
        gaps: The largest gap between groups of each column, as in `gaps.csv`.
    """

    protocol: str
    metric: str
    score: float
    low: float | None = None
    high: float | None = None
    no_interval: str = ""
    num_test: int = 0
    unit: str = ""
    num_units: int | None = None
    leaks: str = ""
    results: str = ""
    scores: dict[str, Any] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[dict[str, Any]] = field(default_factory=list)
    by_group: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Model:
    """What was trained.

    Attributes:
        task: `classification` or `regression`.
        target: Column that is predicted: `label`, `valence`.
        dataset: Name of the corpus.
        features: The feature expression that it was fitted for.
        classes: In the order of the probabilities; none for numbers.
        members: Several are averaged.
        how: How.
        weights: Of each member in a weighted average.
        recipe: How functionals are computed.
        standardise: `global`, or `speaker`: functionals are scaled by speaker before.
        estimate: The honest score; None of a model of one fold.
        provenance: Settings, digests of store and splits, trials.
        calibration: What makes its probabilities such that they can be believed; None: nothing.
        shown: What its predictions show.
    """

    task: Literal["classification", "regression"]
    target: str
    dataset: str
    features: str
    classes: tuple[str, ...]
    members: tuple[Member, ...]
    how: Averaging
    weights: tuple[float, ...]
    recipe: FeatureRecipe
    standardise: Literal["global", "speaker"] = "global"
    estimate: Estimate | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    shown: Shown = field(default_factory=Shown)

    @property
    def terms(self) -> tuple[Term, ...]:
        """Every feature that it reads, with its functionals, each once."""
        return tuple(dict.fromkeys(term for member in self.members for term in member.terms))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of its predictions: label, probabilities and set of classes, or the target."""
        if self.task == "regression":
            return (self.target,)
        sets = () if self.shown.exchangeable is None else (PREDICTION_SET,)
        return ("label", *(f"{PROBABILITY}{name}" for name in self.classes), *sets)

    def showing(
        self, *, raw: bool = False, sets: Exchangeable | None = None, level: float | None = None
    ) -> "Model":
        """Return the same model, whose predictions show something else.

        Args:
            raw: Probabilities as the head puts them out, and not calibrated.
            sets: Prediction sets that hold the true class as often as promised: for utterances of
                new `speakers`, or for `utterances` like those that calibrated; None: no sets.
            level: How often, between 0 and 1; None: the first one that the model was fitted for.

        Raises:
            InputError: The model has no calibration, none of that coverage, or cannot promise it.
        """
        if sets is None:
            if level is not None:
                raise InputError(
                    f"--coverage {level:g}",
                    expected="--sets, whose coverage it is",
                    got="none",
                    remedy="Add --sets, or leave --coverage out.",
                )
            return replace(self, shown=Shown(raw))
        if self.calibration is None:
            raise InputError(
                f"--sets {sets}",
                expected="a model that was calibrated when it was fitted",
                got="one that predicts numbers" if not self.classes else "one without calibration",
                remedy="Fit it again into another folder, without --no-calibrate; models of single "
                "folds have none.",
            )
        found = self.calibration.threshold(sets, level)
        return replace(self, shown=Shown(raw, sets, found.level))

    def predict_functionals(
        self,
        tables: Mapping[str, pd.DataFrame],
        *,
        speakers: "pd.Series[str] | None" = None,
        rounding: Mapping[str, pd.DataFrame] | None = None,
        frames: ReadFrames | None = None,
    ) -> pd.DataFrame:
        """Predict utterances from functionals; heads over frames from these.

        Args:
            tables: Functionals of each term by its name, [utterances, width], index = id; what
                some table lacks is not predicted.
            speakers: Speaker of each utterance, index = id; needed where `standardise` is
                `speaker`: all utterances here of a speaker decide that speaker's scale.
            rounding: How far rounding may have moved the functionals, see
                `functionals.rounding`; used where `standardise` is `speaker`.
            frames: Returns the frames of a feature and an utterance; needed where a head reads
                them.

        Returns:
            Index id, in the order of the first term's table; columns `label` and
            `probability_<class>` of each class, or the target.

        Raises:
            InputError: A term is absent, a width is another, a value is not finite, or a speaker
                is unknown where speakers matter.
        """
        ids = self._shared_ids(tables)
        ready = {
            str(term): self._scaled(str(term), tables, ids, speakers, rounding)
            for term in self.terms
        }
        outputs = [
            self._frame_outputs(member, frames, list(ids))
            if member.fitted.head.reads_frames
            else self._member_outputs(member, ready)
            for member in self.members
        ]
        return self._decided(self._averaged(outputs), ids)

    def predict_store(self, store: Store, ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Predict utterances of a store from its functionals.

        Args:
            store: Pooled, with features that were made as those of the model were.
            ids: Which utterances; None: all that have every feature.

        Raises:
            StoreMismatchError: The store lacks a feature, or it was made by another encoder or
                otherwise; both are named.
            InputError: An utterance is not there, or as `predict_functionals` says.
        """
        self.recipe.require_made_alike(store)
        read = {str(term): (store, term.feature, term.functionals) for term in self.terms}
        tables = {name: read_functionals(*term) for name, term in read.items()}
        known = store.utterances
        self._tell_unknown_classes(store)
        if self.standardise == "global":
            speakers, rounding = None, None
        else:
            speakers = known["speaker"]
            rounding = {name: read_rounding(*term) for name, term in read.items()}

        def frames(feature: str, utterance: str) -> np.ndarray:
            return store[feature][utterance]

        if ids is None:
            return self.predict_functionals(
                tables, speakers=speakers, rounding=rounding, frames=frames
            )
        wanted = list(dict.fromkeys(ids))
        absent = [one for one in wanted if any(one not in table.index for table in tables.values())]
        if absent:
            raise InputError(
                store.path,
                expected="utterances that have every feature of the model",
                got=f"none of it for {list_some(absent)}",
                remedy="Name others; `tokser store info` lists what is in quarantine.",
            )
        if self.standardise == "speaker":  # all recordings of a speaker decide the scale
            found = self.predict_functionals(tables, speakers=speakers, rounding=rounding)
            return found.loc[wanted]
        chosen = {name: table.loc[wanted] for name, table in tables.items()}
        return self.predict_functionals(chosen, frames=frames)

    def _tell_unknown_classes(self, store: Store) -> None:
        """Say which labels of a store the model never predicts; it needs none of them."""
        if self.task == "classification":
            unknown = sorted({*store.utterances["label"]} - {"", *self.classes})
            if unknown:
                say(
                    f"{store.path}: the model does not know {list_some(unknown)}: utterances with "
                    f"such a label get one of {', '.join(self.classes)}"
                )

    def _shared_ids(self, tables: Mapping[str, pd.DataFrame]) -> pd.Index:
        absent = [str(term) for term in self.terms if str(term) not in tables]
        if absent:
            raise InputError(
                "predict_functionals",
                expected=f"functionals of {', '.join(map(str, self.terms))}",
                got=f"none of {list_some(absent)}",
                remedy="Compute them as the model's recipe says.",
            )
        ids = tables[str(self.terms[0])].index
        for term in self.terms[1:]:
            ids = ids[ids.isin(tables[str(term)].index)]
        twice = list(ids[ids.duplicated()])
        if twice:
            raise InputError(
                "predict_functionals",
                expected="each utterance once",
                got=f"several rows of {list_some(twice)}",
                remedy="Give each an id of its own.",
            )
        return ids

    def _scaled(
        self,
        name: str,
        tables: Mapping[str, pd.DataFrame],
        ids: pd.Index,
        speakers: "pd.Series[str] | None",
        rounding: Mapping[str, pd.DataFrame] | None,
    ) -> np.ndarray:
        """Return a term's functionals as members take them, float32 [utterances, width]."""
        table = tables[name].loc[ids]
        values = table.to_numpy()
        broken = list(ids[~np.isfinite(values).all(axis=1)])
        if broken:
            raise InputError(
                name,
                expected="finite functionals",
                got=f"NaN or infinity for {list_some(broken)}",
                remedy="Look at these recordings; nothing was predicted.",
            )
        if self.standardise == "global" or table.empty:
            return np.asarray(values)
        if speakers is None or (speakers.reindex(ids).fillna("") == "").any():
            raise InputError(
                name,
                expected="a speaker for every utterance, since the model standardises by speaker",
                got="none" if speakers is None else "utterances without one",
                remedy="Name the speakers, or fit a model with --standardise global.",
            )
        errors = rounding[name].loc[ids] if rounding else None
        return np.asarray(standardise_by_speaker(table, speakers, errors)[0].to_numpy())

    def _member_outputs(self, member: Member, ready: Mapping[str, np.ndarray]) -> np.ndarray:
        parts = [ready[str(term)] for term in member.features.terms]
        for term, part, width in zip(member.features.terms, parts, member.widths, strict=True):
            if part.shape[1] != width:
                raise InputError(
                    str(term),
                    expected=f"{width} functionals of each utterance",
                    got=str(part.shape[1]),
                    remedy="Compute them as the model's recipe says.",
                )
        if not len(parts[0]):
            return np.zeros((0, len(self.classes)) if self.classes else 0)
        return member.outputs(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))

    def _frame_outputs(
        self, member: Member, frames: ReadFrames | None, ids: Sequence[str]
    ) -> np.ndarray:
        if frames is None or self.standardise == "speaker":
            raise InputError(
                str(member.features),
                expected=f"frames, which the head {member.head} reads",
                got="functionals alone" if frames is None else "a model that scales by speaker",
                remedy="Predict recordings, or a store that has frames."
                if frames is None
                else "Fit a model with --standardise global.",
            )
        if not ids:
            return np.zeros((0, len(self.classes)) if self.classes else 0)
        return member.frame_outputs(frames, ids)

    def _averaged(self, outputs: Sequence[np.ndarray]) -> np.ndarray:
        if self.how == "single":
            (only,) = outputs
            return only
        weights = self.weights if self.how == "weighted" else np.ones(len(outputs))
        return np.asarray(np.average(list(outputs), axis=0, weights=weights))

    def _decided(self, outputs: np.ndarray, ids: pd.Index) -> pd.DataFrame:
        index = pd.Index(ids, name="id")
        if self.task == "regression":
            return pd.DataFrame({self.target: outputs}, index=index)
        names = np.asarray(self.classes, dtype=object)
        table = pd.DataFrame({"label": names[outputs.argmax(axis=1)]}, index=index)
        calibration, shown = self.calibration, self.shown
        calibrated = outputs if calibration is None else calibration.probabilities(outputs)
        probabilities = outputs if shown.raw else calibrated
        for column, name in enumerate(self.classes):
            table[f"{PROBABILITY}{name}"] = probabilities[:, column]
        if calibration is not None and shown.exchangeable is not None:
            value = calibration.threshold(shown.exchangeable, shown.level).value
            sets = calibration.sets(calibrated, ids, float(value or 0.0))
            order = np.argsort(-calibrated, axis=1, kind="stable")
            table[PREDICTION_SET] = [
                "|".join(names[place] for place in places if own[place])
                for places, own in zip(order, sets, strict=True)
            ]
        return table
