"""Targets predicted from features of a store, for groups that were not trained on."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tokser.config.probe import ProbeHead
from tokser.device import keep_to_one_thread, one_thread
from tokser.experiments.probing.folds import Fold, deal_folds
from tokser.experiments.probing.logistic import logistic_predictions
from tokser.experiments.probing.ridge import STRENGTHS, RidgePath, class_scores
from tokser.experiments.probing.table import PROBES
from tokser.experiments.probing.targets import Target
from tokser.experiments.statistics.metrics import ccc_from_sums, uar_from_confusion
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.statistics.unit_sums import (
    Score,
    UnitSums,
    estimate,
    sum_classes,
    sum_numbers,
)
from tokser.intervals import Scale
from tokser.store import Store
from tokser.threads import num_threads

__all__ = ["probe_table"]

NUM_CONTROLS = 5
"""Shuffles that a control is averaged over."""


class _Kind(NamedTuple):
    """How a kind of target is scored."""

    metric: str
    score: Score
    scale: Scale


_CLASSES = _Kind("uar", uar_from_confusion, "share")
_NUMBERS = _Kind("ccc", ccc_from_sums, "correlation")


def probe_table(
    store: Store,
    features: Sequence[str],
    targets: Sequence[Target],
    *,
    head: ProbeHead = "ridge",
    seed: int = 0,
    on_feature: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Return how well each target is predicted from each feature, see `table.PROBES`.

    Whole groups are dealt into five folds, each tested once. A penalty is selected on the next
    fold, then the regression is fitted again on all but the test fold. Utterances that lack the
    feature are left out.

    Args:
        store: With the functionals of the features.
        features: Their names.
        targets: See `targets.read_targets`.
        head: What is fitted to classes; numbers are always predicted by ridge regression.
        seed: Deals the folds and shuffles the controls.
        on_feature: Called after each feature.

    Raises:
        InputError: A target has fewer than three groups.
    """
    rows: list[dict[str, object]] = []
    workers = num_threads()
    with one_thread(), threadpool_limits(limits=1), ThreadPoolExecutor(workers) as pool:

        def probed(feature: str) -> list[dict[str, object]]:
            keep_to_one_thread()
            table, paths = store.functionals(feature), _Paths()
            return [_row(table, feature, target, head, seed, paths) for target in targets]

        for found in pool.map(probed, features):
            rows += found
            on_feature()
    order = {target.name: place for place, target in enumerate(targets)}
    return PROBES.frame(sorted(rows, key=lambda row: order[str(row["target"])]))


def _row(
    table: pd.DataFrame,
    feature: str,
    target: Target,
    head: ProbeHead,
    seed: int,
    paths: "_Paths",
) -> dict[str, object]:
    ids = [name for name in target.values.index if name in table.index]
    values, groups = target.values.loc[ids], target.groups.loc[ids]
    kind = _NUMBERS if target.is_number else _CLASSES
    classes = [] if target.is_number else sorted(values.unique())
    folds = list(deal_folds(groups, target, seed))
    rng = np.random.default_rng([seed, 1])
    wanted = [values.to_numpy(), *(_shuffled(values, groups, rng) for _ in range(NUM_CONTROLS))]
    is_logistic = head == "logreg" and bool(classes)
    if is_logistic:
        numbers = table.loc[ids].to_numpy(np.float64)
        found = logistic_predictions(numbers, wanted, folds, classes)
    else:
        found = _predicted(table.loc[ids], wanted, folds, classes, paths)
    units = SamplingUnits(target.grouped_by, groups)
    sums = [
        _sums(ids, truth, guess, units, classes) for truth, guess in zip(wanted, found, strict=True)
    ]
    score, interval = estimate(sums[0], kind.score, kind.scale)
    control = float(np.mean([estimate(own, kind.score, kind.scale)[0] for own in sums[1:]]))
    return {
        "target": target.name,
        "feature": feature,
        "metric": kind.metric,
        "head": "logreg" if is_logistic else "ridge",
        "score": score,
        "low": interval.low,
        "high": interval.high,
        "chance": sums[0].chance(kind.score) if classes else 0.0,
        "control": control,
        "selectivity": score - control,
        "n": len(ids),
        "num_groups": groups.nunique(),
        "grouped_by": target.grouped_by,
        "num_classes": len(classes) if classes else None,
    }


def _shuffled(values: pd.Series, groups: "pd.Series[str]", rng: np.random.Generator) -> np.ndarray:
    """Return a control: values shuffled within each group, which keeps what each group has.

    A value that all utterances of a group share, such as the sex of a speaker, is dealt to the
    groups anew instead.
    """
    owners = groups.to_numpy()
    if (values.groupby(owners).nunique() == 1).all():
        of_group = values.groupby(owners).first()
        dealt = dict(zip(of_group.index, rng.permutation(of_group.to_numpy()), strict=True))
        return np.array([dealt[owner] for owner in owners], dtype=values.to_numpy().dtype)
    shuffled = values.to_numpy().copy()
    for owner in sorted(set(owners)):
        places = np.flatnonzero(owners == owner)
        shuffled[places] = shuffled[rng.permutation(places)]
    return np.asarray(shuffled)


def _predicted(
    table: pd.DataFrame,
    wanted: Sequence[np.ndarray],
    folds: Sequence[Fold],
    classes: Sequence[str],
    paths: "_Paths",
) -> list[np.ndarray]:
    """Return what is predicted for each utterance, of each of the targets that share the folds."""
    found = [np.empty_like(own) for own in wanted]
    for fold in folds:
        both = np.concatenate([fold.train, fold.dev])
        search, refit = paths.of(table, fold.train, fold.dev), paths.of(table, both, fold.test)
        for own, guess in zip(wanted, found, strict=True):
            (on_dev,) = search.predict(_outputs(own[fold.train], classes))
            best = STRENGTHS[int(np.argmax(_dev_scores(own[fold.dev], on_dev, classes)))]
            (on_test,) = refit.predict(_outputs(own[both], classes), (best,))
            guess[fold.test] = _decided(on_test[0], classes)
    return found


class _Paths:
    """Decompositions of one feature, which targets with the same folds share."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], RidgePath] = {}

    def of(self, table: pd.DataFrame, train: np.ndarray, other: np.ndarray) -> RidgePath:
        """Return that of a training part and what is predicted from it."""
        ids = table.index.to_numpy()
        key = ("\0".join(ids[train]).encode(), "\0".join(ids[other]).encode())
        if key not in self._known:
            known, wanted = (table.iloc[own].to_numpy(np.float64) for own in (train, other))
            self._known[key] = RidgePath(known, [wanted])
        return self._known[key]


def _dev_scores(truth: np.ndarray, outputs: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return the score of each penalty, outputs [penalties, dev, classes or 1]."""
    if not classes:
        x = np.broadcast_to(truth.astype(float), outputs.shape[:2])
        y = outputs[..., 0]
        sums = np.stack([np.ones_like(y), x, y, x * x, y * y, x * y], axis=-1).sum(axis=1)
        return np.asarray(ccc_from_sums(sums))
    size = len(classes)
    cells = np.searchsorted(classes, truth.astype(str)) * size + outputs.argmax(axis=-1)
    counts = [np.bincount(own, minlength=size * size) for own in cells]
    return np.asarray(uar_from_confusion(np.stack(counts).reshape(-1, size, size)))


def _outputs(values: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    if classes:
        return class_scores(values.tolist(), classes)
    return np.asarray(values, dtype=np.float64)[:, None]


def _decided(outputs: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    if not classes:
        return np.asarray(outputs[:, 0])
    decided: np.ndarray = np.asarray(classes, dtype=object)[outputs.argmax(axis=1)]
    return decided


def _sums(
    ids: Sequence[str],
    truth: np.ndarray,
    guess: np.ndarray,
    units: SamplingUnits,
    classes: Sequence[str],
) -> UnitSums:
    names = ("label", "prediction") if classes else ("truth", "prediction")
    table = pd.DataFrame({"id": list(ids), names[0]: truth, names[1]: guess})
    if classes:
        return sum_classes([table], units, classes)
    return sum_numbers([table.astype({"truth": float, "prediction": float})], units)
