"""Out-of-fold probabilities of logistic regression, trained for the purpose."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from tokser.config import GridSettings
from tokser.errors import InputError, SettingsError, list_some
from tokser.experiments.classification import PROBABILITY, Classification
from tokser.experiments.combinations import combine
from tokser.experiments.dataset import Dataset, having_all
from tokser.experiments.doubtful_labels.evidence import OutOfFold
from tokser.experiments.feature_expressions import Early, Expression, Late, parse
from tokser.experiments.heads.registry import find_head
from tokser.experiments.pooled_features import require_pooled
from tokser.experiments.search import SearchResult, search
from tokser.experiments.splits.protocols import Split, make_splits
from tokser.experiments.training_data import TrainingData
from tokser.store import Store

__all__ = ["HEAD", "one_expression", "train_out_of_fold"]

HEAD = "logreg"
_LEAST_SPEAKERS = 3
_DEV = "dev_uar_crossfit"
_SPLITS = {"speaker": "leave one {} out", "kfold": "speakers distributed over {} folds"}


def train_out_of_fold(
    store: Store,
    expression: Expression,
    *,
    protocol: str = "speaker",
    num_folds: int = 5,
    seed: int = 0,
    on_feature: Callable[[], Any] = lambda: None,
) -> OutOfFold:
    """Predict every utterance by a model that was not trained on its speaker.

    Args:
        store: With functionals.
        expression: Its features, see `one_expression`.
        protocol: `speaker`, or `kfold` by speaker.
        num_folds: Of `kfold`.
        seed: Distributes speakers over folds.
        on_feature: Called when the models of a feature are trained.

    Raises:
        InputError: Fewer than two classes, or fewer than three speakers.
    """
    members = expression.members if isinstance(expression, Late) else (expression,)
    task = Classification()
    usable = task.usable(store.utterances, splits_are_given=False)
    kept = having_all(store, usable, members)
    _require_speakers(kept, store.path)
    splits = make_splits(protocol, kept, seed=seed, num_folds=num_folds)
    dataset = Dataset(task, store, kept, members, (), {}, {}, by_speaker=False)
    trained = []
    for member in members:
        trained.append(_trained(dataset, member, splits, seed))
        on_feature()
    predictions, used = _combined(expression, members, trained, splits)
    by_id = predictions.set_index("id").loc[kept.index]
    classes = task.classes(kept["label"])
    probabilities = by_id[[f"{PROBABILITY}{name}" for name in classes]].set_axis(classes, axis=1)
    left_out = "session" if kept["session"].ne("").all() else "speaker"
    how = _SPLITS[protocol].format(left_out if protocol == "speaker" else len(splits))
    model = f"{HEAD} on {expression}, {how}"
    return OutOfFold(probabilities, kept["label"], used, model)


def one_expression(store: Store, features: str | None, *, option: str = "--features") -> Expression:
    """Return the one feature expression that is asked for.

    Args:
        store: With functionals.
        features: As it was written; None: the choice by dev among all that are pooled.
        option: Where it was written, for messages.

    Raises:
        SettingsError: Nothing is pooled, a feature is unknown, or there are several expressions.
    """
    require_pooled(store)
    everything = "best(*)" if len(store.pooled) > 1 else "*"
    found = parse(features or everything, store.pooled)
    if len(found) != 1:
        raise SettingsError(
            f"{option} {features}",
            expected="one expression, such as whisper-base/layer-6 or best(whisper-base/layer-*)",
            got=f"{len(found)}: {list_some(found)}",
            remedy="Write best(...) around them, and dev selects one in each fold.",
        )
    return found[0]


def _require_speakers(utterances: pd.DataFrame, where: str) -> None:
    speakers = utterances["speaker"]
    unknown = list(utterances.index[speakers.eq("")])
    if unknown or speakers.nunique() < _LEAST_SPEAKERS:
        raise InputError(
            where,
            expected=f"at least {_LEAST_SPEAKERS} speakers, and none unknown: every utterance is "
            "predicted by a model that was not trained on its speaker",
            got=f"utterances without a speaker: {list_some(unknown)}"
            if unknown
            else f"{speakers.nunique()} ({list_some(sorted(speakers.unique()))})",
            remedy="Complete the manifest, or take the predictions of a `tokser classify` under "
            "another protocol with --results.",
        )


def _trained(dataset: Dataset, member: Early, splits: Sequence[Split], seed: int) -> SearchResult:
    task = dataset.task
    functionals = dataset.functionals(member)
    data = TrainingData(
        task=task,
        functionals=functionals.values,
        target=dataset.target("label"),
        splits=splits,
        grid=GridSettings(),
        seed=seed,
        rounding=functionals.rounding,
    )
    return search(find_head(HEAD, task, {}), data)


def _combined(
    expression: Expression,
    members: tuple[Early, ...],
    trained: Sequence[SearchResult],
    splits: Sequence[Split],
) -> tuple[pd.DataFrame, tuple[Early, ...]]:
    """Return the predictions of an expression, and the members that stand for its features."""
    if not isinstance(expression, Late):
        return trained[0].predictions, members
    tables, selected = [], Counter[int]()
    dev = [result.on_dev(_DEV) for result in trained]
    for split in splits:
        parts = [r.predictions[r.predictions["fold"] == split.fold] for r in trained]
        on_dev = [scores[split.fold] for scores in dev]
        table, number = combine(Classification(), expression.how, parts, on_dev)
        tables.append(table)
        selected.update([] if number is None else [number])
    used = (members[selected.most_common(1)[0][0]],) if selected else members
    return pd.concat(tables, ignore_index=True), used
