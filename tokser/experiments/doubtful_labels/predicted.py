"""Out-of-fold probabilities that `tokser classify` left in a folder of results."""

from pathlib import Path
from typing import Any

import pandas as pd

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import InputError, SettingsError, StoreMismatchError, list_some
from tokser.experiments.classification import PROBABILITY
from tokser.experiments.doubtful_labels.evidence import OutOfFold
from tokser.experiments.feature_expressions import Early, Late, parse
from tokser.experiments.results import CLASSIFICATION, tables_in
from tokser.functionals.moments import MOMENTS
from tokser.progress import warn
from tokser.store import Store

__all__ = ["PROTOCOL_ORDER", "read_out_of_fold"]

PROTOCOL_ORDER = ("speaker", "text", "kfold", "fixed", "random")
"""Protocols from the one that is preferred on: by what the model knows of the speaker."""
_REMEDY = "Name what the folder has, or run `tokser classify`."


def read_out_of_fold(
    results: Path,
    store: Store,
    *,
    features: str | None = None,
    head: str | None = None,
    protocol: str | None = None,
) -> OutOfFold:
    """Read the probabilities of one configuration, averaged over seeds.

    Args:
        results: Folder of `tokser classify` with single labels.
        store: The store that it was made from.
        features: Of the configuration, as the folder writes them; None: those that dev prefers.
        head: Of the configuration; None: the one that dev prefers.
        protocol: Of the configuration; None: `speaker`, or what comes next to it.

    Raises:
        MissingInputError: There are no such results.
        SettingsError: They are of another task, or have no such configuration.
        StoreMismatchError: They were made from another store, or from other labels.
        InputError: A label is none of the classes.
    """
    _require_single_labels(results)
    folder = ChecksummedFolder(results)
    tables = CLASSIFICATION
    scores = tables.summary or tables.scores
    for table in (scores, tables.predictions):
        folder.require_whole(table.file, "Run the command that made the folder again.")
    summary = scores.read(results / scores.file)
    chosen = _configuration(summary, results, features, head, protocol)
    predictions = tables.predictions.read(results / tables.predictions.file)
    keys = ("features", "protocol", "classifier")
    own = predictions[(predictions[list(keys)] == chosen[list(keys)]).all(axis=1)]
    probabilities, labels = _averaged(own)
    _require_same_labels(labels, store, results)
    _require_classes(labels, tuple(probabilities.columns), results)
    used = _features_of(str(chosen["features"]), store, results, chosen)
    model = f"{chosen['classifier']} on {chosen['features']}, protocol {chosen['protocol']}"
    return OutOfFold(probabilities, labels, used, f"{model}, of {results}")


def _require_single_labels(results: Path) -> None:
    tables = tables_in(results)
    if tables is not CLASSIFICATION and results.is_dir():
        raise SettingsError(
            f"--results {results}",
            expected="results of `tokser classify` with single labels",
            got=f"those of {tables.task}",
            remedy="Run `tokser classify` without --labels.",
        )


def _configuration(
    summary: pd.DataFrame,
    results: Path,
    features: str | None,
    head: str | None,
    protocol: str | None,
) -> "pd.Series[Any]":
    """Return the row of the configuration that is asked for, or preferred by dev, never by test."""
    wanted = {"features": features, "classifier": head, "protocol": protocol}
    found = summary
    for column, value in wanted.items():
        if value is None:
            continue
        if value not in set(summary[column]):
            option = {"classifier": "head"}.get(column, column)
            raise SettingsError(
                f"--{option}, {results}",
                expected=f"one of {list_some(list(summary[column].unique()), most=20)}",
                got=repr(value),
                remedy=_REMEDY,
            )
        found = found[found[column] == value]
    if found.empty:
        raise SettingsError(
            f"--results {results}",
            expected="a configuration that is there",
            got=", ".join(f"{name} {value}" for name, value in wanted.items() if value),
            remedy=_REMEDY,
        )
    if protocol is None:
        there = set(found["protocol"])
        first = next((p for p in PROTOCOL_ORDER if p in there), str(found["protocol"].iloc[0]))
        found = found[found["protocol"] == first]
    dev = found["dev_uar"]
    return found.iloc[0] if dev.isna().all() else found.loc[dev.idxmax()]


def _averaged(predictions: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Return probabilities, averaged over the seeds and folds of each utterance, and labels."""
    columns = [name for name in predictions if str(name).startswith(PROBABILITY)]
    by_id = predictions.groupby("id", sort=True)
    mean = by_id[columns].mean().fillna(0.0)
    names = [str(name).removeprefix(PROBABILITY) for name in columns]
    ordered = mean.set_axis(names, axis=1)[sorted(names)]
    return ordered.div(ordered.sum(axis=1), axis=0), by_id["label"].first()


def _require_same_labels(labels: "pd.Series[str]", store: Store, results: Path) -> None:
    utterances = store.utterances
    foreign = list(labels.index.difference(utterances.index))
    if foreign:
        raise StoreMismatchError(
            f"--results {results}",
            expected=f"predictions of utterances that {store.path} has",
            got=f"{len(foreign)} others: {list_some(foreign)}",
            remedy="Name the store that they were made from with --store.",
        )
    now = utterances["label"].loc[labels.index]
    changed = [f"{i}: {labels[i]}, now {now[i]}" for i in labels.index[labels.ne(now)]]
    if changed:
        raise StoreMismatchError(
            f"--results {results}",
            expected=f"the labels that {store.path} has now",
            got=list_some(changed),
            remedy="Labels were changed since: run `tokser classify` again.",
        )
    labelled = utterances.index[utterances["label"].ne("")]
    lost = labelled.difference(labels.index)
    if len(lost):
        warn(
            f"{len(lost)} of {len(labelled)} utterances with a label were in no test part, and are "
            f"left out: {list_some(list(lost))}"
        )


def _require_classes(labels: "pd.Series[str]", classes: tuple[str, ...], results: Path) -> None:
    foreign = sorted(set(labels) - set(classes))
    if foreign or len(classes) < 2:
        raise InputError(
            f"--results {results}",
            expected="probabilities of two classes at least, among them every label",
            got=f"labels that are none of the classes {list_some(classes, most=20)}: "
            f"{list_some(foreign)}"
            if foreign
            else list_some(classes) or "none",
            remedy="Run `tokser classify` again.",
        )


def _features_of(
    text: str, store: Store, results: Path, chosen: "pd.Series[Any]"
) -> tuple[Early, ...]:
    """Return pooled features behind a configuration; none where nothing of it is pooled."""
    try:
        found = parse(text, store.pooled, MOMENTS)
    except SettingsError:
        return ()  # heads over frames, of features that are not pooled
    expression = found[0]
    if not isinstance(expression, Late):
        return (expression,)
    if expression.how != "best":
        return expression.members
    table = CLASSIFICATION.choices
    choices = table.read(results / table.file)
    keys = ("features", "protocol", "classifier")
    own = choices[(choices[list(keys)] == chosen[list(keys)]).all(axis=1)]["chosen"]
    names = {str(member): member for member in expression.members}
    selected = own[own.isin(names)]
    return expression.members if selected.empty else (names[selected.mode().iloc[0]],)
