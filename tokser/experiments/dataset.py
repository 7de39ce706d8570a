"""What an experiment works on: usable utterances, functionals by expression, splits, audits."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tokser.config.experiments import ExperimentBase
from tokser.errors import InputError, StoreMismatchError, list_some
from tokser.experiments.feature_expressions import (
    Early,
    Expression,
    Late,
    Term,
    layer_choices,
    parse,
)
from tokser.experiments.joined_store import CORPUS, JoinedStore
from tokser.experiments.pooled_features import require_pooled
from tokser.experiments.same_features import require_same_features, require_shared_features
from tokser.experiments.splits.audit import Audit
from tokser.experiments.splits.files import SplitPlan
from tokser.experiments.splits.plans import (
    DEFAULT_PROTOCOLS,
    audit_plans,
    plan_splits,
    warn_of_many_folds,
    warn_of_untrained_classes,
)
from tokser.experiments.splits.published.read import published_digest
from tokser.experiments.splits.sharing import used_ids
from tokser.experiments.statistics.sampling_units import SamplingUnits, find_sampling_units
from tokser.experiments.task import Known, Task
from tokser.functionals.moments import MOMENTS, check_functionals
from tokser.functionals.rounding import read_with_rounding
from tokser.functionals.standardise import standardise_by_speaker
from tokser.functionals.tables import read_functionals, stored_name
from tokser.progress import warn
from tokser.provenance import sha256_of_file
from tokser.store import FeatureName, Store
from tokser.store.rows_digest import rows_digest

__all__ = [
    "Dataset",
    "Functionals",
    "having_all",
    "identities",
    "load",
    "read_expressions",
    "setup_of",
]

if TYPE_CHECKING:
    from tokser.config import ClassifySettings, RegressSettings, TuneSettings

    ExperimentSettings = ClassifySettings | RegressSettings | TuneSettings
else:  # settings of other commands take time to define
    ExperimentSettings = ExperimentBase


class Functionals(NamedTuple):
    """Functionals of a sum of features.

    Attributes:
        values: [utterances, features], index = id.
        rounding: How far rounding may have moved them, the same shape; none: they are exact.
        widths: Columns of each term, in order.
    """

    values: pd.DataFrame
    rounding: pd.DataFrame | None
    widths: dict[str, int]


@dataclass(frozen=True)
class Dataset:
    """Everything that trains and tests.

    Attributes:
        task: What is predicted.
        store: Where functionals come from.
        utterances: Those that every feature has, and whose targets are known.
        trained: The sums that classifiers are trained on.
        combined: What is made of several of them: averages, choices by dev.
        plans: Folds by protocol and seed.
        audits: What their parts share and lack, by protocol.
        by_speaker: Whether functionals are standardised by speaker.
        by_corpus: Whether they are standardised by corpus, where there are several.
    """

    task: Task
    store: Store
    utterances: pd.DataFrame
    trained: tuple[Early, ...]
    combined: tuple[Late, ...]
    plans: dict[str, SplitPlan]
    audits: dict[str, Audit]
    by_speaker: bool
    by_corpus: bool = False

    def functionals(self, early: Early) -> Functionals:
        """Return the functionals of a sum side by side, float32 [utterances, features]."""
        ids = self.utterances.index
        read = [read_with_rounding(self.store, t.feature, t.functionals) for t in early.terms]
        values, rounding = (
            _side_by_side([_rows(table, ids) for table in tables])
            for tables in zip(*read, strict=True)
        )
        widths = {str(t): own.shape[1] for t, (own, _) in zip(early.terms, read, strict=True)}
        if self.scaled_within is not None:
            scaled = standardise_by_speaker(values, self.scaled_within, rounding)
            return Functionals(*scaled, widths)
        return Functionals(values, rounding, widths)

    def target(self, name: str) -> Known:
        """Return one of the task's targets."""
        return self.task.target_of(self.utterances, name)

    @functools.cached_property
    def sampling_units(self) -> SamplingUnits:
        """Whom intervals and tests take as independent."""
        return find_sampling_units(self.utterances)

    @property
    def speakers(self) -> "pd.Series[str]":
        """Speaker of each utterance; who is unknown counts as somebody else each time."""
        speakers = self.utterances["speaker"]
        return speakers.where(speakers.ne(""), self.utterances.index.to_series())

    @property
    def scaled_within(self) -> "pd.Series[str] | None":
        """Speaker or corpus of each utterance, by whose statistics it is scaled first."""
        if self.by_corpus:
            return self.utterances[CORPUS]
        return self.speakers if self.by_speaker else None


def read_expressions(store: Store, task: Task, settings: ExperimentSettings) -> list[Expression]:
    """Read the feature expressions; with them the choice among the layers of each encoder.

    Raises:
        StoreMismatchError: The store holds another dataset.
        SettingsError: A feature is unknown or not pooled, an expression has another form, or is a
            late fusion that the task has no use for.
    """
    if store.dataset != settings.dataset:
        raise StoreMismatchError(
            store.path,
            expected=f"a store of {settings.dataset}",
            got=f"one of {store.dataset}",
            remedy=f"Name the dataset {store.dataset}, or another store.",
        )
    if isinstance(store, JoinedStore):
        require_shared_features(store)
    require_pooled(store)
    functionals = check_functionals(settings.functionals)
    found: list[Expression] = []
    for text in settings.features or ("*",):
        found += parse(text, store.pooled, functionals)
    found = list(dict.fromkeys(found))
    if isinstance(store, JoinedStore):
        members = [e for late in found if isinstance(late, Late) for e in late.members]
        require_same_features(store, [*found, *members])
    late = [expression for expression in found if isinstance(expression, Late)]
    if not task.averages:
        if late:
            raise task.no_late_fusion(list(map(str, late)))
        return found
    members = [member for expression in late for member in expression.members]
    return list(dict.fromkeys([*found, *layer_choices(found), *members]))


def identities(
    store: Store,
    expressions: Sequence[Expression],
    settings: ExperimentSettings,
    *,
    reads_frames: bool = False,
) -> dict[str, Any]:
    """Return what tells the inputs of one experiment from those of another.

    Args:
        store: Where they are read.
        expressions: What is read.
        settings: Splits from a file count, too.
        reads_frames: Whether a head reads frames, beside functionals.
    """
    terms = {t for e in expressions if isinstance(e, Early) for t in e.terms}
    found: dict[str, Any] = {}
    for term in sorted(terms, key=str):
        for feature in term.features:
            found[feature] = store.identity(feature)
            pooled = str(FeatureName.parse(feature).functionals())
            extra = [stored_name(feature, f) for f in term.functionals if f not in MOMENTS]
            rows = [pooled, *extra, *([feature] if reads_frames else [])]
            found |= {name: store.identity(name) for name in extra if name in store}
            found |= {f"rows of {n}": rows_digest(store, n) for n in rows if n in store}
    if store.version > 1:
        found["table_version"] = store.version
    if settings.splits_file is not None and settings.splits_format != "tokser":
        found["splits"] = published_digest(settings.splits_file, settings.splits_format)
    elif settings.splits_file is not None and settings.splits_file.is_file():
        found["splits"] = sha256_of_file(settings.splits_file)
    return found


def load(
    store: Store, task: Task, expressions: Sequence[Expression], settings: ExperimentSettings
) -> Dataset:
    """Check targets, functionals and splits.

    Args:
        store: Where functionals come from.
        task: What is predicted.
        expressions: What is trained and combined.
        settings: Protocols, seeds, standardisation.

    Raises:
        InputError: Targets are missing, functionals are not finite, a speaker is unknown where
            speakers matter, or the splits are not fit for training.
    """
    trained = tuple(e for e in expressions if isinstance(e, Early))
    usable = task.usable(store.utterances, splits_are_given=settings.names_utterances)
    kept = having_all(store, usable, trained)
    plans = plan_splits(kept, task, settings, store.utterances)
    labels = task.labels(kept)
    if labels is not None:
        warn_of_untrained_classes(plans, labels)
    by_speaker = settings.standardise == "speaker"
    unknown = list(kept.index[kept["speaker"].eq("")]) if by_speaker else []
    if unknown:
        raise InputError(
            "--standardise speaker",
            expected="a speaker for every utterance",
            got=f"none for {list_some(unknown)}",
            remedy="Complete the manifest, or standardise globally.",
        )
    folds = [split for plan in plans.values() for split in plan.every_fold()]
    kept = kept[kept.index.isin(used_ids(folds, set(kept.index)))]
    warn_of_many_folds(plans)
    combined = tuple(e for e in expressions if isinstance(e, Late))
    named = " + ".join(map(str, expressions))
    audits = audit_plans(plans, kept, store, task, named=named)
    return Dataset(task, store, kept, trained, combined, plans, audits, by_speaker)


def setup_of(task: Task, settings: ExperimentSettings) -> str:
    """Say in words what departs from the usual splits, scaling and training."""
    departures = {
        "standardised by speaker": settings.standardise == "speaker",
        "random split not stratified": _draws_unstratified(settings),
        "not refitted": not settings.refit,
        f"Optuna, {settings.trials} trials": settings.search == "optuna",
    }
    names = [name for name, is_so in departures.items() if is_so]
    usual = type(settings.frame_heads)()
    options = [
        f"{name.replace('_', ' ')} {value if isinstance(value, str) else format(value, 'g')}"
        for name, value in settings.frame_heads.model_dump().items()
        if value != getattr(usual, name)
    ]
    more = task.setup(settings.grid.model_dump())
    return ", ".join([*names, *settings.departures, *options, *more])


def _draws_unstratified(settings: ExperimentSettings) -> bool:
    drawn = settings.protocols or (() if settings.splits_file else DEFAULT_PROTOCOLS)
    return not settings.stratify and "random" in drawn


def _rows(table: pd.DataFrame, ids: "pd.Index[str]") -> pd.DataFrame:
    """Return the rows of some ids; the table itself where these are all, in order."""
    return table if table.index.equals(ids) else table.loc[ids]


def _side_by_side(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if len(tables) == 1:
        return tables[0]
    table = pd.concat(tables, axis=1)
    table.columns = pd.RangeIndex(table.shape[1])
    return table


def having_all(store: Store, utterances: pd.DataFrame, trained: Sequence[Early]) -> pd.DataFrame:
    """Return the utterances that every term has; refuse values that are not finite."""
    kept = utterances.index
    terms = (t for early in trained for t in early.terms)
    features = dict.fromkeys((name, term.functionals) for term in terms for name in term.features)
    for name, functionals in features:
        table = read_functionals(store, name, functionals)
        broken = list(table.index[~np.isfinite(table.to_numpy()).all(axis=1)])
        if broken:
            raise InputError(
                f"{store.path}, {Term(name, functionals)}",
                expected="finite functionals",
                got=f"NaN or infinity for {list_some(broken)}",
                remedy="Run `tokser store verify`, then pool again.",
            )
        kept = kept.intersection(table.index)
    lost = utterances.index.difference(kept)
    if len(lost):
        warn(f"{len(lost)} utterances lack a feature and are left out: {list_some(list(lost))}")
    return utterances.loc[kept]
