"""Classifiers of scikit-learn on the same splits: an independent check of the MLP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from tokser.config import GridSettings
from tokser.experiments.grid import grid_points
from tokser.experiments.heads.fitting import (
    Candidate,
    DevPart,
    Part,
    epochs_of,
    refit_selected,
    select,
)
from tokser.experiments.search import Found, prediction_table
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.crossfit import halves_of
from tokser.experiments.statistics.metrics import confusion_of, uar_from_confusion
from tokser.functionals.standardise import Standardiser, fit_by_id

__all__ = ["BASELINES", "num_fits", "search_baseline"]

BASELINES = ("logreg", "svm", "mlp-sklearn")
_LOGREG_COSTS = (1.0,)
_SVM_COSTS = (0.1, 1.0, 10.0, 100.0)


def num_fits(
    classifier: str, splits: Sequence[Split], grid: GridSettings, *, refit: bool = True
) -> int:
    """Count the models that a search fits."""
    return len(splits) * (len(_points(classifier, grid, seed=0)) + refit)


def search_baseline(
    classifier: str,
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    splits: Sequence[Split],
    grid: GridSettings,
    *,
    seed: int,
    rounding: pd.DataFrame | None = None,
    refit: bool = True,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[Split, dict[str, Any]], None] = lambda split, chosen: None,
) -> Found:
    """Fit a classifier of scikit-learn on each fold, which selects by its own dev UAR.

    `logreg`: logistic regression, C = 1. `svm`: support vectors with a Gaussian kernel, C out of
    0.1, 1, 10, 100. `mlp-sklearn`: `MLPClassifier` with the grid's points, widths and epochs, best
    epoch by dev UAR; it has no LayerNorm and no plateau.

    Args:
        classifier: One of `BASELINES`.
        functionals: [utterances, features], index = id.
        labels: Emotion of each utterance, index = id.
        splits: The folds.
        grid: Points and training of `mlp-sklearn`; class weights of all.
        seed: Of weights and order.
        rounding: How far rounding may have moved functionals, see `Standardiser.fit`.
        refit: Whether what was selected is fitted again, on train and dev together.
        on_models: Called with the number of models fitted since the last call.
        before_test: Called with the split and the selected point before its test is looked at.
    """
    data = _Data(functionals, labels, rounding, tuple(sorted(labels.unique())))
    parts, trials = [], []
    # A fit takes 20 ms on one thread, and 40 times as long on two that wait for each other.
    with threadpool_limits(limits=1):
        for split in splits:
            scaling = data.scaling(split.train)
            selection = select(
                _points(classifier, grid, seed),
                data.part(scaling, split.train),
                data.dev_part(scaling, split.dev),
                epochs=grid.epochs,
                early_stopping=grid.early_stopping,
                on_models=on_models,
            )
            constant = {"num_constant": int(scaling.is_constant.sum())}
            trials += [{"fold": split.fold} | row | constant for row in selection.trials]
            model = selection.model
            if refit:
                known = [*split.train, *split.dev]
                scaling = data.scaling(known)
                model = refit_selected(selection, data.part(scaling, known), on_models)
            before_test(split, selection.point.told)
            probabilities = data.probabilities(model, scaling, split.test)
            parts.append(prediction_table(split, labels, probabilities, data.classes))
    return Found(pd.concat(parts, ignore_index=True), _trial_table(trials))


@dataclass(frozen=True)
class _Data:
    """Makes parts of ids.

    Attributes:
        functionals: [utterances, features], index = id.
        labels: Emotion of each utterance, index = id.
        rounding: Of functionals.
        classes: Names of the classes, in the order of the columns of probabilities.
    """

    functionals: pd.DataFrame
    labels: "pd.Series[str]"
    rounding: pd.DataFrame | None
    classes: tuple[str, ...]

    def scaling(self, ids: Sequence[str]) -> Standardiser:
        return fit_by_id(self.functionals, self.rounding, ids)

    def part(self, scaling: Standardiser, ids: Sequence[str]) -> Part:
        values = scaling.apply(self.functionals.loc[list(ids)].to_numpy())
        return Part(values, self.labels.loc[list(ids)].to_numpy(dtype=object))

    def dev_part(self, scaling: Standardiser, ids: Sequence[str]) -> DevPart:
        dev = self.part(scaling, ids)
        half = halves_of(ids, [str(label) for label in dev.target])

        def sums(model: Any) -> np.ndarray:
            guesses = model.classes_[_probabilities(model, dev.values).argmax(axis=1)]
            halves = [half == 0, half == 1]
            return np.stack(
                [confusion_of(list(dev.target[h]), list(guesses[h]), self.classes) for h in halves]
            )

        return DevPart(sums, uar_from_confusion, "dev_uar")

    def probabilities(
        self, model: Any, scaling: Standardiser, ids: Sequence[str]
    ) -> Float[np.ndarray, "test classes"]:
        """Return probabilities; a class that training lacked gets 0."""
        values = scaling.apply(self.functionals.loc[list(ids)].to_numpy())
        probabilities = np.zeros((len(values), len(self.classes)))
        places = [self.classes.index(str(name)) for name in model.classes_]
        probabilities[:, places] = _probabilities(model, values)
        return probabilities


def _points(classifier: str, grid: GridSettings, seed: int) -> list[Candidate]:
    balanced = "balanced" if grid.class_weights else None
    if classifier == "logreg":
        return [
            Candidate.of(
                {"C": cost}, LogisticRegression(C=cost, max_iter=5_000, class_weight=balanced)
            )
            for cost in _LOGREG_COSTS
        ]
    if classifier == "svm":
        return [
            Candidate.of({"C": cost}, SVC(C=cost, class_weight=balanced, random_state=0))
            for cost in _SVM_COSTS
        ]
    options = partial(_options, class_weights=grid.class_weights)
    return [
        epochs_of(MLPClassifier, place, seed=seed, options=options) for place in grid_points(grid)
    ]


def _options(train: Part, *, class_weights: bool) -> dict[str, Any]:
    names = sorted(set(train.target))
    weights = {"sample_weight": _weights(train.target)} if class_weights else {}
    return {"classes": names} | weights


def _weights(labels: np.ndarray) -> np.ndarray:
    names, places, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    return np.asarray(len(labels) / (len(names) * counts[places]))


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
    columns += ["dev_uar_crossfit", "selected", "num_constant"]
    whole = ("batch_size", "best_epoch", "num_constant")
    real = ("learning_rate", "C", "dev_uar", "dev_uar_crossfit")
    types = dict.fromkeys(whole, "Int64") | dict.fromkeys(real, "float64") | {"selected": bool}
    return pd.DataFrame(list(rows), columns=columns).astype(types)
