"""The folds of every protocol and seed: made or read from a file, checked, and audited."""

from collections.abc import Sequence, Set
from pathlib import Path

import pandas as pd

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config.experiments import AuditSettings, ExperimentBase
from tokser.errors import InputError, SettingsError, list_some
from tokser.experiments.splits.audit import MANY_FOLDS, Audit, audit_splits
from tokser.experiments.splits.dev_part import draw_dev
from tokser.experiments.splits.files import SplitPlan, read_splits
from tokser.experiments.splits.protocols import Split, follows_seed, make_splits
from tokser.experiments.splits.published.read import read_published
from tokser.experiments.splits.recordings import compare_content, recordings
from tokser.experiments.splits.seen_labels import (
    names_group,
    seen_in_test,
    seen_labels,
)
from tokser.experiments.splits.sharing import first_labels, untrained_labels, used_ids
from tokser.experiments.task import Task
from tokser.progress import say, warn
from tokser.store import Store

__all__ = [
    "DEFAULT_PROTOCOLS",
    "audit_plans",
    "plan_splits",
    "warn_of_many_folds",
    "warn_of_untrained_classes",
]

DEFAULT_PROTOCOLS = ("random", "speaker")


def plan_splits(
    utterances: pd.DataFrame,
    task: Task,
    settings: ExperimentBase | AuditSettings,
    every: pd.DataFrame,
) -> dict[str, SplitPlan]:
    """Make the folds of every protocol and seed, or read them from a file.

    Args:
        utterances: Those that can be used.
        task: What is predicted.
        settings: Protocols, file, seeds.
        every: All utterances; a file may name some that cannot be used, which are left out.

    Raises:
        InputError: The utterances or the file do not allow it; all faults of the file are named.
    """
    plans: dict[str, SplitPlan] = {}
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    if settings.splits_file is None and settings.splits_format != "tokser":
        raise SettingsError(
            f"--splits-format {settings.splits_format}",
            expected="--splits beside it, with the file or folder that is read so",
            got="none",
            remedy="Name it, or leave --splits-format out.",
        )
    if settings.splits_file is not None:
        found = _read(settings.splits_file, settings.splits_format, every)
        plans = {
            name: _with_dev(
                f"{settings.splits_file}, {name}",
                _usable(f"{settings.splits_file}, {name}", plan, utterances, seeds),
                utterances,
                settings.seed,
            )
            for name, plan in found.items()
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
                    task=task,
                )
            )
            for seed in wanted
        }
        plans[protocol] = SplitPlan(by_seed)
    for protocol, plan in plans.items():
        _refuse_one_class(protocol, plan, task.labels(utterances))
    return plans


def audit_plans(
    plans: dict[str, SplitPlan],
    utterances: pd.DataFrame,
    store: Store,
    task: Task,
    *,
    threshold: float | None = None,
    named: str = "",
) -> dict[str, Audit]:
    """Audit the folds of every protocol, of all seeds together.

    Args:
        plans: The folds.
        utterances: Those that they may use.
        store: Where recordings' checksums and activations are.
        task: What is predicted; it tells which targets a part may lack.
        threshold: The least cosine of a near-duplicate; by default what suits the feature.
        named: Expressions over the features that are used, of which some may be tuned.
    """
    seen = {group: ids for group, ids in seen_labels(store).items() if names_group(named, group)}
    checksums = recordings(store)
    content = compare_content(store, threshold=threshold, checksums=checksums)
    audits = {
        protocol: audit_splits(
            plan.every_fold(),
            utterances,
            recordings=checksums,
            content=content,
            num_seeds=len(plan.by_seed),
            task=task,
        ).with_seen_labels(seen_in_test(seen, plan.every_fold()))
        for protocol, plan in plans.items()
    }
    _warn_of_seen_labels(audits)
    return audits


def _warn_of_seen_labels(audits: dict[str, Audit]) -> None:
    for protocol, audit in audits.items():
        for group, number in audit.seen_labels.items():
            warn(
                f"protocol {protocol}: {group} was tuned on the labels of {number} test utterances "
                "of a fold, so its scores are marked LEAKS LABELS. Test it on utterances that it "
                "was not tuned on: a file for --splits that has only the fold it was tuned for, or "
                "another corpus."
            )


def _read(where: Path, form: str, every: pd.DataFrame) -> dict[str, SplitPlan]:
    """Read splits in our own form, or in one that others publish."""
    if form != "tokser":
        return read_published(where, form, every)
    if where.is_dir():
        raise InputError(
            f"--splits {where}",
            expected="a file of splits (JSON)",
            got="a folder",
            remedy="Name a file, or say with --splits-format whose splits these are.",
        )
    _require_as_written(where)
    return read_splits(where, list(every.index))


def _require_as_written(splits_file: Path) -> None:
    """Refuse splits of a results folder that are no longer those it was made with."""
    checksummed = ChecksummedFolder(splits_file.parent)
    if checksummed.has_checksums and splits_file.name in checksummed.listed():
        remedy = "Run what made the folder again; to edit splits, copy the file elsewhere."
        checksummed.require_whole(splits_file.name, remedy)


def warn_of_many_folds(plans: dict[str, SplitPlan]) -> None:
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


def warn_of_untrained_classes(plans: dict[str, SplitPlan], labels: "pd.Series[str]") -> None:
    """Say which classes are tested and not trained, so that they are never predicted."""
    by_id = dict(zip(labels.index, labels, strict=True))
    for protocol, plan in plans.items():
        lacking = [
            f"{', '.join(absent)} (fold {split.fold})"
            for split in plan.every_fold()
            if (absent := untrained_labels(split, by_id))
        ]
        if lacking:
            warn(
                f"protocol {protocol}: train lacks {list_some(lacking)}, which test has: "
                "always missed"
            )


def _refuse_one_class(protocol: str, plan: SplitPlan, labels: "pd.Series[str] | None") -> None:
    if labels is None:
        return
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
