"""All evidence about the labels of a store, as settings ask for it."""

import json
from pathlib import Path
from typing import Any

from tokser.config import LabelsSettings
from tokser.errors import MissingInputError, SettingsError
from tokser.experiments.doubtful_labels.annotators import annotator_shares
from tokser.experiments.doubtful_labels.audit import LabelAudit, audit_labels
from tokser.experiments.doubtful_labels.evidence import OutOfFold
from tokser.experiments.doubtful_labels.neighbours import count_neighbours
from tokser.experiments.doubtful_labels.predicted import read_out_of_fold
from tokser.experiments.doubtful_labels.train import one_expression, train_out_of_fold
from tokser.experiments.feature_expressions import Early, Late
from tokser.progress import progress_bar
from tokser.provenance import STAMP_NAME
from tokser.store import Store, open_store

__all__ = ["gather_evidence", "open_store_of"]


def open_store_of(settings: LabelsSettings) -> Store:
    """Open the store that settings name, or that their results were made from.

    Raises:
        SettingsError: Neither is named, or an option does not go with the others.
        MissingInputError: There is no such store, or there are no such results.
    """
    _require_fitting(settings)
    place = settings.store
    if place is None and settings.results is not None:
        place = _store_of(settings.results)
    if place is None:
        raise SettingsError(
            "tokser labels",
            expected="a store, or results of `tokser classify`",
            got="neither",
            remedy="Name one with --store or --results.",
        )
    return open_store(place, check=settings.check)


def gather_evidence(store: Store, settings: LabelsSettings) -> LabelAudit:
    """Ask model, neighbours and annotators about every label, and rank the labels.

    Raises:
        SettingsError: A feature or configuration is unknown.
        StoreMismatchError: Results were made from another store, or from other labels.
        InputError: Too few classes, speakers or neighbours.
    """
    predicted = _predicted(store, settings)
    utterances = store.utterances.loc[predicted.labels.index]
    neighbours = count_neighbours(
        store,
        predicted,
        _neighbour_features(store, settings, predicted),
        num_neighbours=settings.num_neighbours,
        other_speakers=settings.neighbours_from == "other-speakers",
    )
    annotators = annotator_shares(utterances, predicted.classes, store.path)
    return audit_labels(predicted, neighbours, annotators, utterances)


def _predicted(store: Store, settings: LabelsSettings) -> OutOfFold:
    if settings.results is not None:
        return read_out_of_fold(
            settings.results,
            store,
            features=settings.features,
            head=settings.head,
            protocol=settings.protocol,
        )
    expression = one_expression(store, settings.features)
    number = len(expression.members) if isinstance(expression, Late) else 1
    with progress_bar("labels", total=number, unit="features") as bar:
        return train_out_of_fold(
            store,
            expression,
            protocol=settings.protocol or "speaker",
            num_folds=settings.num_folds,
            seed=settings.seed,
            on_feature=lambda: bar.advance(1),
        )


def _neighbour_features(
    store: Store, settings: LabelsSettings, predicted: OutOfFold
) -> tuple[Early, ...]:
    if settings.neighbour_features is not None:
        option = "--neighbour-features"
        found = one_expression(store, settings.neighbour_features, option=option)
        return found.members if isinstance(found, Late) else (found,)
    if predicted.features:
        return predicted.features
    raise SettingsError(
        "--neighbour-features",
        expected="pooled features to find neighbours by",
        got=f"none: those of {predicted.model} are not pooled",
        remedy=f"Name others, or pool them: `tokser pool --store {store.path}`.",
    )


def _require_fitting(settings: LabelsSettings) -> None:
    """Refuse options that need `--results` where there are none."""
    if settings.results is not None:
        return
    lacking = [f"--head {settings.head}"] if settings.head is not None else []
    if settings.protocol not in (None, "speaker", "kfold"):
        lacking.append(f"--protocol {settings.protocol}")
    if lacking:
        raise SettingsError(
            ", ".join(lacking),
            expected="--results, whose predictions are taken",
            got="none: logistic regression predicts speakers that it was not trained on",
            remedy="Name a results folder of `tokser classify`, or leave this out.",
        )


def _store_of(results: Path) -> str | None:
    """Return the store that results were made from.

    Raises:
        MissingInputError: There are no such results.
        SettingsError: They were made from several stores.
    """
    path = results / STAMP_NAME
    try:
        content: Any = json.loads(path.read_bytes())
        named = content["settings"]["store"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MissingInputError(
            f"--results {results}",
            expected=f"a finished folder of `tokser classify`, with {STAMP_NAME}",
            got="a folder without it" if results.is_dir() else "no such folder",
            remedy="Correct the path, or run `tokser classify` to its end.",
        ) from error
    if not isinstance(named, str):
        raise SettingsError(
            f"--results {results}",
            expected="results of one store",
            got=f"those of {len(named)}",
            remedy="Run `tokser classify` on one store.",
        )
    return named
