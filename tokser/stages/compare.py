"""Distances between features of two stores, to choose between their settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tokser.errors import InputError, SettingsError, StoreMismatchError, list_some
from tokser.functionals.distance import Distances
from tokser.progress import progress_bar
from tokser.store import Layer, Store, open_store

__all__ = ["Difference", "compare"]

_MADE_BY = ("context", "precision")
"""Provenance that distinguishes two runs of the same model."""

_SHOWN_IF_DIFFERENT = ("last_layer", "resampling", "window_s")
"""The same, shown only if the two differ."""


@dataclass(frozen=True)
class Difference:
    """Distances between two features, over the utterances that both stores have.

    Attributes:
        features: Their names, that of the first store first.
        made_by: Context and precision of each, and other provenance that differs.
        num_utterances: Utterances that both have.
        num_rows: Their frames or tokens.
        cosine: Mean cosine of a row and its counterpart.
        cosine_p5: Cosine that 5 % of the rows stay below.
        relative_l2: |a - b| / |a| over all rows.
        mean_l2: The same of the utterances' means.
        std_l2: The same of their standard deviations.
        shift: How far a functional moves, in its standard deviations over the utterances.
    """

    features: tuple[str, str]
    made_by: tuple[str, str]
    num_utterances: int
    num_rows: int
    cosine: float
    cosine_p5: float
    relative_l2: float
    mean_l2: float
    std_l2: float
    shift: float


def compare(first: str, second: str, features: Sequence[str] = ()) -> list[Difference]:
    """Compare features of two stores, utterance by utterance, joined by id.

    Args:
        first: A store.
        second: Another, or the same.
        features: Names of the first store's, or `NAME=OTHER` with the name of the second's; by
            default all that both have.

    Raises:
        SettingsError: A store lacks a feature, or they have none in common.
        InputError: They have no utterance in common.
        StoreMismatchError: Two features differ in width, or an utterance in its rows.
        StoreIncompleteError: A feature is incomplete.
    """
    stores = open_store(first), open_store(second)
    pairs = _select(stores, features)
    return [_compare(stores, *pair) for pair in pairs]


def _select(stores: tuple[Store, Store], features: Sequence[str]) -> list[tuple[str, str]]:
    if not features:
        common = [name for name in stores[0].features if name in stores[1].features]
        if not common:
            raise SettingsError(
                f"{stores[0].path}, {stores[1].path}",
                expected="a feature that both stores have",
                got=" and ".join(list_some(store.features) or "none" for store in stores),
                remedy="Name what to compare with --features NAME=OTHER.",
            )
        return [(name, name) for name in common]
    pairs = []
    for feature in features:
        name, _, other = feature.partition("=")
        pairs.append((name, other or name))
    for store, names in zip(stores, zip(*pairs, strict=True), strict=True):
        unknown = [name for name in names if name not in store.features]
        if unknown:
            raise SettingsError(
                store.path,
                expected=f"some of the features {list_some(store.features, most=20)}",
                got=list_some(unknown, most=20),
                remedy="Name some of these.",
            )
    return pairs


def _compare(stores: tuple[Store, Store], name: str, other: str) -> Difference:
    first, second = stores[0][name], stores[1][other]
    if first.dim != second.dim:
        raise StoreMismatchError(
            f"{stores[1].path}, {other}",
            expected=f"rows {first.dim} wide as those of {name}",
            got=str(second.dim),
            remedy="Name features of one model.",
        )
    known = set(second.ids)
    both = [utterance for utterance in first.ids if utterance in known]
    if not both:
        raise InputError(
            f"{stores[0].path}, {stores[1].path}",
            expected=f"utterances that have both {name} and {other}",
            got="none",
            remedy="Name stores of one corpus.",
        )
    found = Distances(first.dim)
    with progress_bar(f"compare {name}", total=len(both), unit="utterances") as bar:
        for utterance in both:
            found.add(*_rows(stores, first, second, utterance))
            bar.advance()
    return Difference(
        features=(name, other),
        made_by=(_made_by(first, second), _made_by(second, first)),
        num_utterances=found.num_utterances,
        num_rows=found.num_rows,
        cosine=found.cosine,
        cosine_p5=found.cosine_percentile(5),
        relative_l2=found.relative_l2,
        mean_l2=found.relative_l2_of_means,
        std_l2=found.relative_l2_of_stds,
        shift=found.functionals_shift,
    )


def _rows(
    stores: tuple[Store, Store], first: Layer, second: Layer, utterance: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    rows, others = first[utterance], second[utterance]
    if len(rows) != len(others):
        raise StoreMismatchError(
            f"{stores[1].path}, {second.name}, {utterance}",
            expected=f"{len(rows)} rows as {first.name} has in {stores[0].path}",
            got=str(len(others)),
            remedy="Name features of the same recordings or transcripts.",
        )
    return rows, others


def _made_by(layer: Layer, other: Layer) -> str:
    own, others = layer.provenance, other.provenance
    facts = [str(own[key]) for key in _MADE_BY if key in own]
    unlike = [key for key in _SHOWN_IF_DIFFERENT if own.get(key) != others.get(key)]
    return ", ".join([*facts, *(f"{key} {own.get(key, 'not stated')}" for key in unlike)])
