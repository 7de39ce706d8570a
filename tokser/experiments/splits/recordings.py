"""The recordings of a store, compared by the functionals of one of its speech features."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tokser.experiments.splits.content import Content
from tokser.experiments.splits.kept_comparison import find_or_recall
from tokser.experiments.splits.near_duplicates import (
    MOST_PER_RECORDING,
    WIDEST_SPREAD,
    NearDuplicates,
    directions,
    find_near_duplicates,
    spread_of_cosines,
)
from tokser.experiments.splits.sentences import sentences_of
from tokser.experiments.splits.similar_speakers import SimilarSpeakers, compare_speakers
from tokser.progress import progress_bar
from tokser.store import FeatureName, Store
from tokser.store.feature_name import FUNCTIONALS, functionals_group

__all__ = ["compare_content", "recordings"]

_SAMPLE = 1_000
"""Utterances by which the feature is chosen."""
_NEARLY_LEAST = 1.1
"""A spread that is larger than the least by no more than this is as good."""
_LONG = 20_000
"""Utterances from which on a bar is shown."""


def compare_content(
    store: Store, *, threshold: float | None = None, checksums: dict[str, str] | None = None
) -> Content:
    """Find the recordings that are nearly the same, and the speakers whose voices are alike.

    The feature is the deepest of those whose cosines of different recordings spread least: it tells
    recordings apart, and minds noise and cut ends less than the layers below it.

    Args:
        store: The store.
        threshold: The least cosine of a near-duplicate; derived from the spread by default.
        checksums: Of the recordings: pairs of the same file are no near-duplicates.
    """
    spreads = {feature: _spread(store, feature) for feature in _speech_features(store)}
    if not spreads:
        return Content(
            not_compared="the store has no functionals of a speech feature; "
            f"`tokser pool --store {store.path}` makes them"
        )
    least = min(spreads.values())
    feature = [name for name, spread in spreads.items() if spread <= _NEARLY_LEAST * least][-1]
    if spreads[feature] > WIDEST_SPREAD:
        return Content(
            feature,
            not_compared=f"the cosines of different recordings spread by {spreads[feature]:.2f} in "
            f"{feature}, at most {WIDEST_SPREAD} tells recordings apart; more recordings or a "
            "larger speech encoder make it possible",
        )
    table = store.functionals(feature)
    is_finite = np.isfinite(table.to_numpy()).all(axis=1)
    table = table[is_finite]
    duplicates = _duplicates(table, threshold)
    content = Content(feature, duplicates, _speakers(store, table))
    if not duplicates.is_complete:
        return replace(
            content,
            duplicates=None,
            not_compared=f"more than {MOST_PER_RECORDING} pairs a recording have a cosine in "
            f"{feature} of at least {duplicates.threshold:.2f}; a higher --duplicate-threshold "
            "makes it possible",
        )
    return replace(content, duplicates=duplicates.without_copies(checksums or {}))


def recordings(store: Store) -> dict[str, str] | None:
    """Return the checksum of every recording that an encoder read, by id; None where none did.

    Functionals that were extracted without rows have them, too.
    """
    found: dict[str, str] = {}
    for group in store.groups:
        if store.group(group).kind not in ("speech", FUNCTIONALS):
            continue
        layer = store[f"{group}/{next(iter(store.group(group).features))}"]
        for name, record in layer.records().items():
            if record.recording.digest:
                found.setdefault(name, record.recording.digest)
        if len(found) == len(store.ids):
            break
    return found or None


def _speech_features(store: Store) -> list[str]:
    """Return the pooled features that a speech encoder made of frames."""
    found = []
    for feature in store.pooled:
        if store.is_utterance_level(feature):
            continue
        group = FeatureName.parse(feature).group
        if group in store.groups:
            is_speech = store.group(group).kind == "speech"
        else:
            made_by = store.group(functionals_group(group)).provenance["source"]
            is_speech = "sampling_rate_hz" in made_by
        if is_speech:
            found.append(feature)
    return found


def _spread(store: Store, feature: str) -> float:
    layer = store[str(FeatureName.parse(feature).functionals())]
    ids = layer.ids
    step = max(1, len(ids) // _SAMPLE)
    rows = np.asarray(layer.ragged(ids[::step]).rows, dtype=np.float32)
    rows = rows[np.isfinite(rows).all(axis=1)]
    return spread_of_cosines(directions(rows)) if len(rows) > 1 else 1.0


def _duplicates(table: pd.DataFrame, threshold: float | None) -> NearDuplicates:
    units = directions(table.to_numpy(dtype=np.float32))
    ids = [str(name) for name in table.index]
    if len(ids) < _LONG:
        return find_near_duplicates(ids, units, threshold=threshold)
    with progress_bar("Comparing recordings", total=len(ids), unit="recordings") as bar:
        return find_or_recall(ids, units, threshold=threshold, on_rows=bar.advance)


def _speakers(store: Store, table: pd.DataFrame) -> SimilarSpeakers:
    about = store.utterances.loc[table.index]
    dim = table.shape[1] // 2
    return compare_speakers(
        table.iloc[:, :dim].to_numpy(dtype=np.float32),
        about["speaker"].tolist(),
        about["label"].tolist(),
        sentences_of(about).tolist(),
    )
