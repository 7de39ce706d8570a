"""Nested training subsets: the first speakers, and the first utterances of each, of an order."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some
from tokser.experiments.scaling.sizes import Sizes
from tokser.experiments.splits.protocols import Split

__all__ = ["Subset", "Varied", "draw_subsets", "num_lacking", "require_two_classes"]

Varied = Literal["speakers", "utterances"]


class Subset(NamedTuple):
    """What one model is trained on.

    Attributes:
        fold: Position of the fold whose test part it predicts.
        varied: `speakers` or `utterances`.
        size: Number of speakers, or of utterances of each speaker.
        train: Ids, sorted.
    """

    fold: int
    varied: Varied
    size: int
    train: tuple[str, ...]


def draw_subsets(
    folds: Sequence[Split],
    speakers: "pd.Series[str]",
    labels: "pd.Series[str] | None",
    sizes: Sizes,
    *,
    seed: int,
) -> Iterator[Subset]:
    """Draw an order of speakers and of their utterances in each fold, and cut it at every size.

    A smaller subset is part of each larger one. Every speaker's first utterances have the classes in
    proportion: the k-th of n utterances of a class stands at (k + u) / n, with u random in [0, 1),
    one for each speaker and class.

    Args:
        folds: Train and dev are what is drawn from.
        speakers: Of each utterance, index = id.
        labels: The same of classes; None: utterances are drawn without strata.
        sizes: Where the order is cut.
        seed: Of the order.
    """
    for place, fold in enumerate(folds):
        rng = np.random.default_rng([seed, place])
        ids = sorted([*fold.train, *fold.dev])
        table = pd.DataFrame({"id": ids, "speaker": speakers.loc[ids].to_numpy()})
        table["label"] = "" if labels is None else labels.loc[ids].to_numpy()
        orders = {
            str(name): _ordered(own, rng) for name, own in table.groupby("speaker", sort=True)
        }
        names = [str(name) for name in rng.permutation(sorted(orders))]
        for size in sizes.speakers:
            kept = [one for name in names[:size] for one in orders[name]]
            yield Subset(place, "speakers", size, tuple(sorted(kept)))
        for size in sizes.utterances:
            kept = [one for order in orders.values() for one in order[:size]]
            yield Subset(place, "utterances", size, tuple(sorted(kept)))


def _ordered(own: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    """Return one speaker's ids so that every beginning has the classes in proportion."""
    ids, places = list[str](), list[float]()
    for _, members in own.groupby("label", sort=True):
        count, offset = len(members), rng.random()
        ids += [str(one) for one in rng.permutation(members["id"].to_numpy(dtype=object))]
        places += [(k + offset) / count for k in range(count)]
    return [ids[i] for i in np.argsort(places, kind="stable")]


def num_lacking(subsets: Sequence[Subset], labels: "pd.Series[str]", num_classes: int) -> int:
    """Count subsets that lack a class."""
    return sum(labels.loc[list(one.train)].nunique() < num_classes for one in subsets)


def require_two_classes(subsets: Sequence[Subset], labels: "pd.Series[str]") -> None:
    """Raise `InputError` if a subset has fewer than two classes, which nothing can be trained on."""
    poor = {
        (one.varied, one.size): str(labels.loc[one.train[0]])
        for one in subsets
        if labels.loc[list(one.train)].nunique() < 2
    }
    if not poor:
        return
    larger = {
        varied: sorted(
            {o.size for o in subsets if o.varied == varied and (varied, o.size) not in poor}
        )
        for varied, _ in poor
    }
    ways = [f"--{varied} {','.join(map(str, sizes))}" for varied, sizes in larger.items() if sizes]
    raise InputError(
        "the subsets",
        expected="at least two classes in each",
        got=list_some(
            [f"only {label} in one of {size} {varied}" for (varied, size), label in poor.items()]
        ),
        remedy=f"Leave the small sizes out: {' '.join(ways)}."
        if ways
        else "The corpus is too small for a curve: add speakers that have several classes.",
    )
