"""What experiments work on: labelled utterances, functionals by expression, splits, audits."""

import functools
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tokser.classify.audit import MANY_FOLDS, Audit, audit_splits
from tokser.classify.dev_part import draw_dev
from tokser.classify.fusion import Early, Expression, Late, Term, layer_choices, parse
from tokser.classify.protocols import Split, follows_seed, make_splits
from tokser.classify.sampling_units import SamplingUnits, find_sampling_units
from tokser.classify.sharing import first_labels, untrained_labels, used_ids
from tokser.classify.split_files import SplitPlan, read_splits
from tokser.config import AuditSettings, ClassifySettings, RegressSettings
from tokser.errors import InputError, SettingsError, StoreMismatchError, list_some
from tokser.functionals.moments import MOMENTS, check_functionals
from tokser.functionals.rounding import read_rounding
from tokser.functionals.standardise import standardise_by_speaker
from tokser.functionals.tables import read_functionals, stored_name
from tokser.progress import say
from tokser.provenance import sha256_of_file
from tokser.sealed import SealedFolder
from tokser.stages.content import compare_content, recordings
from tokser.stages.rows import rows_digest
from tokser.store import Store
from tokser.store.schema import FUNCTIONALS

__all__ = [
    "Functionals",
    "Material",
    "audit_plans",
    "choose",
    "identities",
    "load",
    "plan_splits",
    "setup_of",
]

DEFAULT_PROTOCOLS = ("report", "speaker")


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
class Material:
    """Everything that trains and tests.

    Attributes:
        store: Where functionals come from.
        utterances: Those that every feature has.
        trained: The sums that classifiers are trained on.
        combined: What is made of several of them: late fusions, choices by dev.
        plans: Folds by protocol and seed.
        audits: What is wrong with them, by protocol.
        by_speaker: Whether functionals are standardised by speaker.
    """

    store: Store
    utterances: pd.DataFrame
    trained: tuple[Early, ...]
    combined: tuple[Late, ...]
    plans: dict[str, SplitPlan]
    audits: dict[str, Audit]
    by_speaker: bool

    def functionals(self, early: Early) -> Functionals:
        """Return the functionals of a sum side by side, float32 [utterances, features]."""
        ids = self.utterances.index
        read = [(self.store, term.feature, term.functionals) for term in early.terms]
        tables = [read_functionals(*term).loc[ids] for term in read]
        widths = {str(t): table.shape[1] for t, table in zip(early.terms, tables, strict=True)}
        values = _side_by_side(tables)
        rounding = _side_by_side([read_rounding(*term).loc[ids] for term in read])
        if self.by_speaker:
            scaled = standardise_by_speaker(values, self.speakers, rounding)
            return Functionals(*scaled, widths)
        return Functionals(values, rounding, widths)

    @functools.cached_property
    def sampling_units(self) -> SamplingUnits:
        """Whom intervals and tests take as independent."""
        return find_sampling_units(self.utterances)

    @property
    def speakers(self) -> "pd.Series[str]":
        """Speaker of each utterance; who is unknown counts as somebody else each time."""
        speakers = self.utterances["speaker"]
        return speakers.where(speakers.ne(""), self.utterances.index.to_series())


def choose(
    store: Store, settings: ClassifySettings | RegressSettings, *, layer_choice: bool = True
) -> list[Expression]:
    """Read the feature expressions; with them the choice among the layers of each encoder.

    Raises:
        StoreMismatchError: The store holds another dataset.
        SettingsError: A feature is unknown or not pooled, or an expression has another form.
    """
    if store.dataset != settings.dataset:
        raise StoreMismatchError(
            store.path,
            expected=f"a store of {settings.dataset}",
            got=f"one of {store.dataset}",
            remedy=f"Name the dataset {store.dataset}, or another store.",
        )
    if not store.pooled:
        raise SettingsError(
            store.path,
            expected="pooled features",
            got="none",
            remedy=f"Run `tokser pool --store {store.path}`.",
        )
    functionals = check_functionals(settings.functionals)
    found: list[Expression] = []
    for text in settings.features or ("*",):
        found += parse(text, store.pooled, functionals)
    found = list(dict.fromkeys(found))
    members = [m for late in found if isinstance(late, Late) for m in late.members]
    choices = layer_choices(found) if layer_choice else []
    return list(dict.fromkeys([*found, *choices, *members]))


def identities(
    store: Store, expressions: Sequence[Expression], settings: ClassifySettings | RegressSettings
) -> dict[str, Any]:
    """Return what tells the inputs of one experiment from those of another."""
    terms = {t for e in expressions if isinstance(e, Early) for t in e.terms}
    found: dict[str, Any] = {}
    for term in sorted(terms, key=str):
        found[term.feature] = store.identity(term.feature)
        pooled = f"{FUNCTIONALS}/{term.feature}"
        extra = [stored_name(term.feature, f) for f in term.functionals if f not in MOMENTS]
        found |= {name: store.identity(name) for name in extra if name in store}
        found |= {f"rows of {n}": rows_digest(store, n) for n in (pooled, *extra) if n in store}
    if store.version > 1:
        found["table_version"] = store.version
    if settings.splits_file is not None and settings.splits_file.is_file():
        found["splits"] = sha256_of_file(settings.splits_file)
    return found


def load(
    store: Store,
    expressions: Sequence[Expression],
    settings: ClassifySettings | RegressSettings,
    utterances: pd.DataFrame,
) -> Material:
    """Check functionals and splits.

    Args:
        store: Where functionals come from.
        expressions: What is trained and combined.
        settings: Protocols, seeds, standardisation.
        utterances: Those that have what is to be predicted.

    Raises:
        InputError: Functionals are not finite, a speaker is unknown where speakers matter, or the
            splits are not fit for training.
    """
    trained = tuple(e for e in expressions if isinstance(e, Early))
    kept = _having_all(store, utterances, trained)
    plans = plan_splits(kept, settings, store.ids)
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
    _warn_of_many_folds(plans)
    combined = tuple(e for e in expressions if isinstance(e, Late))
    audits = audit_plans(
        plans, kept, store, predicts_classes=isinstance(settings, ClassifySettings)
    )
    return Material(store, kept, trained, combined, plans, audits, by_speaker)


def setup_of(settings: ClassifySettings | RegressSettings) -> list[str]:
    """Say in words what departs from the usual splits, scaling and training."""
    departures = {
        "standardised by speaker": settings.standardise == "speaker",
        "random split not stratified": _draws_unstratified(settings),
        "not refitted": not settings.refit,
    }
    return [name for name, is_so in departures.items() if is_so]


def _draws_unstratified(settings: ClassifySettings | RegressSettings) -> bool:
    drawn = settings.protocols or (() if settings.splits_file else DEFAULT_PROTOCOLS)
    return not settings.stratify and "report" in drawn


def plan_splits(
    utterances: pd.DataFrame,
    settings: ClassifySettings | RegressSettings | AuditSettings,
    known: Sequence[str],
) -> dict[str, SplitPlan]:
    """Make the folds of every protocol and seed, or read them from a file.

    Args:
        utterances: Those that can be used.
        settings: Protocols, file, seeds.
        known: Ids of all utterances; a file may name some that cannot be used, which are left out.

    Raises:
        InputError: The utterances or the file do not allow it; all faults of the file are named.
    """
    plans: dict[str, SplitPlan] = {}
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    if settings.splits_file is not None:
        _require_as_written(settings.splits_file)
        plans = {
            name: _with_dev(
                f"{settings.splits_file}, {name}",
                _usable(f"{settings.splits_file}, {name}", plan, utterances, seeds),
                utterances,
                settings.seed,
            )
            for name, plan in read_splits(settings.splits_file, known).items()
        }
    twice = sorted(set(plans) & set(settings.protocols))
    if twice:
        raise SettingsError(
            settings.splits_file,
            expected="names other than those of the protocols that are asked for",
            got=list_some(twice),
            remedy="Leave out --protocol, or rename the splits in the file.",
        )
    default = () if plans else DEFAULT_PROTOCOLS
    for protocol in dict.fromkeys(settings.protocols or default):
        wanted: Sequence[int | None] = list(seeds) if follows_seed(protocol) else [None]
        by_seed = {
            seed: tuple(
                make_splits(
                    protocol,
                    utterances,
                    seed=settings.seed if seed is None else seed,
                    num_folds=settings.num_folds,
                    group_by=settings.group_by,
                    stratify=settings.stratify,
                )
            )
            for seed in wanted
        }
        plans[protocol] = SplitPlan(by_seed)
    for protocol, plan in plans.items():
        _refuse_one_class(protocol, plan, utterances)
        if isinstance(settings, ClassifySettings):
            _say_what_train_lacks(protocol, plan, utterances["label"])
    return plans


def _require_as_written(splits_file: Path) -> None:
    """Refuse splits of a results folder that are no longer those it was made with."""
    sealed = SealedFolder(splits_file.parent)
    if sealed.is_sealed and splits_file.name in sealed.listed():
        remedy = "Run what made the folder again; to edit splits, copy the file elsewhere."
        sealed.require_whole(splits_file.name, remedy)


def audit_plans(
    plans: dict[str, SplitPlan],
    utterances: pd.DataFrame,
    store: Store,
    *,
    threshold: float | None = None,
    predicts_classes: bool = True,
) -> dict[str, Audit]:
    """Audit the folds of every protocol, of all seeds together.

    Args:
        plans: The folds.
        utterances: Those that they may use.
        store: Where recordings' checksums and activations are.
        threshold: The least cosine of a near-duplicate; by default what suits the feature.
        predicts_classes: Whether classes are predicted, or numbers.
    """
    checksums = recordings(store)
    content = compare_content(store, threshold=threshold, checksums=checksums)
    return {
        protocol: audit_splits(
            plan.every_fold(),
            utterances,
            recordings=checksums,
            content=content,
            num_seeds=len(plan.by_seed),
            predicts_classes=predicts_classes,
        )
        for protocol, plan in plans.items()
    }


def _side_by_side(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if len(tables) == 1:
        return tables[0]
    table = pd.concat(tables, axis=1)
    table.columns = pd.RangeIndex(table.shape[1])
    return table


def _having_all(store: Store, utterances: pd.DataFrame, trained: Sequence[Early]) -> pd.DataFrame:
    """Return the utterances that every term has; refuse values that are not finite."""
    kept = utterances.index
    terms: dict[Term, None] = dict.fromkeys(t for early in trained for t in early.terms)
    for term in terms:
        table = read_functionals(store, term.feature, term.functionals)
        broken = list(table.index[~np.isfinite(table.to_numpy()).all(axis=1)])
        if broken:
            raise InputError(
                f"{store.path}, {term}",
                expected="finite functionals",
                got=f"NaN or infinity for {list_some(broken)}",
                remedy="Run `tokser store verify`, then pool again.",
            )
        kept = kept.intersection(table.index)
    lost = utterances.index.difference(kept)
    if len(lost):
        say(f"{len(lost)} utterances lack a feature and are left out: {list_some(list(lost))}")
    return utterances.loc[kept]


def _warn_of_many_folds(plans: dict[str, SplitPlan]) -> None:
    """Say what thousands of folds mean, before they are trained."""
    for protocol, plan in plans.items():
        number = len(plan.every_fold()) // len(plan.by_seed)
        if number > MANY_FOLDS:
            say(
                f"protocol {protocol}: {number:,} folds, each of which is trained for every "
                "feature and grid point. `--protocol kfold --folds 10` tests every speaker once "
                "in 10 folds."
            )


def _usable(where: str, plan: SplitPlan, utterances: pd.DataFrame, seeds: range) -> SplitPlan:
    """Leave out what cannot be used; refuse a part that is empty then, and seeds without folds."""
    usable = set(utterances.index)
    by_seed: dict[int | None, tuple[Split, ...]] = {}
    for seed in (None,) if not plan.follows_seed else tuple(seeds):
        folds = plan.by_seed.get(seed, ())
        if not folds:
            raise InputError(
                where,
                expected=f"folds for seed {seed}",
                got=f"folds for {list_some(list(plan.by_seed))}",
                remedy="Choose --seed and --seeds among these.",
            )
        kept = [_only(split, usable) for split in folds]
        empty = [
            f"{split.fold} {part}"
            for split, named in zip(kept, folds, strict=True)
            for part in ("train", "dev", "test")
            if getattr(named, part) and not getattr(split, part)
        ]
        if empty:
            raise InputError(
                where,
                expected="in each part an utterance that every feature has",
                got=f"none in {list_some(empty)}",
                remedy="Name other utterances, or other features.",
            )
        by_seed[seed] = tuple(kept)
    return SplitPlan(by_seed)


def _only(split: Split, usable: Set[str]) -> Split:
    train, dev, test = (
        tuple(name for name in part if name in usable)
        for part in (split.train, split.dev, split.test)
    )
    return Split(split.fold, train, dev, test, split.dev_drawn)


def _with_dev(where: str, plan: SplitPlan, utterances: pd.DataFrame, first: int) -> SplitPlan:
    """Draw a dev part from train for the folds of a file that name none, and say so."""
    found: dict[int | None, tuple[Split, ...]] = {}
    drawn: dict[str, list[str]] = {}
    for seed, folds in plan.by_seed.items():
        used = first if seed is None else seed
        found[seed] = tuple(s if s.dev else draw_dev(s, utterances, seed=used) for s in folds)
        for split, before in zip(found[seed], folds, strict=True):
            if not before.dev:
                drawn.setdefault(split.dev_drawn, []).append(split.fold)
    for how, names in drawn.items():
        parts = (
            "whole speakers"
            if how == "speaker"
            else "utterances at random, 20 % of each class, for train has unknown speakers, or one"
        )
        say(
            f"{where}: no dev part in fold {list_some(names)}; about 20 % of train is drawn for it "
            f"({parts})"
        )
    return SplitPlan(found)


def _say_what_train_lacks(protocol: str, plan: SplitPlan, labels: "pd.Series[str]") -> None:
    """Say which classes are tested and not trained, so that they are never predicted."""
    by_id = dict(zip(labels.index, labels, strict=True))
    lacking = [
        f"{', '.join(absent)} (fold {split.fold})"
        for split in plan.every_fold()
        if (absent := untrained_labels(split, by_id))
    ]
    if lacking:
        say(f"protocol {protocol}: train lacks {list_some(lacking)}, which test has: always missed")


def _refuse_one_class(protocol: str, plan: SplitPlan, utterances: pd.DataFrame) -> None:
    labels = utterances["label"]
    by_id = dict(zip(labels.index, labels, strict=True))
    bare = {name for name, label in by_id.items() if label == ""}
    folds = plan.every_fold()
    unlabelled = sorted(bare & used_ids(folds, by_id.keys())) if bare else []
    lonely = [
        f"{split.fold} ({found[0]})"
        for split in folds
        if len(found := first_labels(split, by_id)) < 2
    ]
    if unlabelled or lonely:
        raise InputError(
            f"protocol {protocol}",
            expected="labels of every utterance, at least two of them in train",
            got=f"no label of {list_some(unlabelled)}"
            if unlabelled
            else f"one class in the train part of {list_some(lonely)}",
            remedy="Complete the labels, or split otherwise.",
        )
