"""Classifiers of scikit-learn on the same splits: an independent check of the MLP."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from tokser.classify.fitting import Candidate, Part, fit_epochs, fit_once
from tokser.classify.grid import grid_points
from tokser.classify.metrics import score
from tokser.classify.protocols import Split
from tokser.classify.search import Found, prediction_table
from tokser.config import GridSettings
from tokser.functionals.standardise import Standardiser

__all__ = ["BASELINES", "num_fits", "search_baseline"]

BASELINES = ("logreg", "svm", "mlp-sklearn")
_LOGREG_COSTS = (1.0,)
_SVM_COSTS = (0.1, 1.0, 10.0, 100.0)


def num_fits(classifier: str, splits: Sequence[Split], grid: GridSettings) -> int:
    """Count the models that a search fits."""
    return len(splits) * sum(1 for _ in _points(classifier, grid, seed=0))


def search_baseline(
    classifier: str,
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    splits: Sequence[Split],
    grid: GridSettings,
    *,
    seed: int,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[Split, dict[str, Any]], None] = lambda split, chosen: None,
) -> Found:
    """Fit a classifier of scikit-learn on each fold, which selects by its own dev UAR.

    `logreg`: logistic regression, C = 1. `svm`: support vectors with a Gaussian kernel, C out of
    0.1, 1, 10, 100. `mlp-sklearn`: `MLPClassifier` with the grid's points, widths and epochs, best
    epoch by dev UAR; it has no LayerNorm and no plateau. What has no epochs to choose is fitted
    again on train and dev together before it meets test.

    Args:
        classifier: One of `BASELINES`.
        functionals: [utterances, features], index = id.
        labels: Emotion of each utterance, index = id.
        splits: The folds.
        grid: Points and training of `mlp-sklearn`; class weights of all.
        seed: Of weights and order.
        on_models: Called with the number of models fitted since the last call.
        before_test: Called with the split and the selected point before its test is looked at.
    """
    classes = tuple(sorted(labels.unique()))
    parts, trials = [], []
    # A fit takes 20 ms on one thread, and 40 times as long on two that wait for each other.
    with threadpool_limits(limits=1):
        for split in splits:
            chosen, model, tried = _select(
                classifier, functionals, labels, split, grid, seed, on_models
            )
            trials += [{"fold": split.fold} | row for row in tried]
            before_test(split, chosen)
            probabilities = model(functionals.loc[list(split.test)].to_numpy(), classes)
            parts.append(prediction_table(split, labels, probabilities, classes))
    return Found(pd.concat(parts, ignore_index=True), _trial_table(trials))


def _select(
    classifier: str,
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    split: Split,
    grid: GridSettings,
    seed: int,
    on_models: Callable[[int], None],
) -> tuple[dict[str, Any], Callable[..., np.ndarray], list[dict[str, Any]]]:
    """Fit all points on train; return the one that is best on dev, its model, and all trials."""
    scaling, (train, dev) = _parts(functionals, labels, split.train, [split.train, split.dev])
    best: tuple[float, Candidate, Any] | None = None
    trials: list[dict[str, Any]] = []
    for point in _points(classifier, grid, seed):
        model, best_epoch = point.fit(train, dev)
        dev_uar = _dev_uar(model, dev)
        if best is None or dev_uar > best[0]:
            best = (dev_uar, point, model)
        trials.append(point.told | {"best_epoch": best_epoch, "dev_uar": dev_uar, "point": point})
        on_models(1)
    assert best is not None  # every classifier has a point
    _, point, model = best
    if classifier != "mlp-sklearn":
        known = [*split.train, *split.dev]
        scaling, (both,) = _parts(functionals, labels, known, [known])
        model, _ = point.fit(both, both)
    for row in trials:
        row["selected"] = row.pop("point") is point
    return point.told, _Fitted(scaling, model), trials


@dataclass(frozen=True)
class _Fitted:
    """A model and the scaling that its inputs need."""

    scaling: Standardiser
    model: Any

    def __call__(
        self, values: Float32[np.ndarray, "test features"], classes: tuple[str, ...]
    ) -> Float[np.ndarray, "test classes"]:
        """Return probabilities; a class that training lacked gets 0."""
        found = _probabilities(self.model, self.scaling.apply(values))
        probabilities = np.zeros((len(values), len(classes)))
        probabilities[:, [classes.index(str(name)) for name in self.model.classes_]] = found
        return probabilities


def _parts(
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    fitted: Sequence[str],
    parts: Sequence[Sequence[str]],
) -> tuple[Standardiser, list[Part]]:
    scaling = Standardiser.fit(functionals.loc[list(fitted)].to_numpy())
    return scaling, [
        Part(
            scaling.apply(functionals.loc[list(ids)].to_numpy()),
            labels.loc[list(ids)].to_numpy(dtype=object),
        )
        for ids in parts
    ]


def _points(classifier: str, grid: GridSettings, seed: int) -> Iterator[Candidate]:
    balanced = "balanced" if grid.class_weights else None
    if classifier == "logreg":
        for cost in _LOGREG_COSTS:
            regression = LogisticRegression(C=cost, max_iter=5_000, class_weight=balanced)
            yield Candidate({"C": cost}, fit_once(regression))
    elif classifier == "svm":
        for cost in _SVM_COSTS:
            yield Candidate({"C": cost}, fit_once(SVC(C=cost, class_weight=balanced)))
    else:
        options = partial(_options, class_weights=grid.class_weights)
        for place in grid_points(grid):
            fit = fit_epochs(
                MLPClassifier, place, grid, seed=seed, quality=_dev_uar, options=options
            )
            yield Candidate(place.told, fit)


def _options(train: Part, *, class_weights: bool) -> dict[str, Any]:
    names = sorted(set(train.target))
    weights = {"sample_weight": _weights(train.target)} if class_weights else {}
    return {"classes": names} | weights


def _weights(labels: np.ndarray) -> np.ndarray:
    names, places, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    return np.asarray(len(labels) / (len(names) * counts[places]))


def _dev_uar(model: Any, dev: Part) -> float:
    guesses = [
        str(name) for name in model.classes_[_probabilities(model, dev.values).argmax(axis=1)]
    ]
    return score([str(name) for name in dev.target], guesses).uar


def _probabilities(model: Any, values: np.ndarray) -> np.ndarray:
    """Return probabilities; of an SVM, which has none, a softmax of its decision values."""
    if not isinstance(model, SVC):
        return np.asarray(model.predict_proba(values))
    decided = np.asarray(model.decision_function(values))
    if decided.ndim == 1:  # two classes
        decided = np.stack([-decided, decided], axis=1) / 2
    raised = np.exp(decided - decided.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _trial_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    columns = ["fold", "batch_size", "learning_rate", "hidden", "C", "best_epoch", "dev_uar"]
    columns.append("selected")
    whole, real = ("batch_size", "best_epoch"), ("learning_rate", "C", "dev_uar")
    types = dict.fromkeys(whole, "Int64") | dict.fromkeys(real, "float64") | {"selected": bool}
    return pd.DataFrame(list(rows), columns=columns).astype(types)
