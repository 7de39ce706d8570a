"""tokser's own heads as estimators of scikit-learn: in pipelines, cross-validation, searches.

    from tokser.heads import MLPClassifier

    model = MLPClassifier(random_state=0).fit(X, y, groups=speakers)

What is trained is what `tokser classify --head mlp` trains, by the same code: standardised inputs,
Adam, a plateau by dev UAR, the best epoch on a dev part, then a refit on everything.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from tokser.config import GridSettings
from tokser.device import resolve_device
from tokser.experiments.classification import Classification
from tokser.experiments.heads.head import Fitting
from tokser.experiments.heads.mlp.head import MLPHead
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData

__all__ = ["LinearProbe", "MLPClassifier"]

_LARGEST = 2**31 - 1


class _Network(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # no types in scikit-learn
    """What both classifiers share."""

    def __init__(
        self,
        *,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        epochs: int = 30,
        plateau_patience: int = 10,
        plateau_factor: float = 0.1,
        early_stopping: int | None = None,
        class_weights: bool = False,
        dev_fraction: float = 0.2,
        refit: bool = True,
        device: str = "cpu",
        random_state: Any = 0,
    ) -> None:
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.plateau_patience = plateau_patience
        self.plateau_factor = plateau_factor
        self.early_stopping = early_stopping
        self.class_weights = class_weights
        self.dev_fraction = dev_fraction
        self.refit = refit
        self.device = device
        self.random_state = random_state

    def _hidden(self) -> tuple[int, ...]:
        return ()

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Train on a part, select the epoch on the rest, then train on everything.

        Args:
            X: [samples, features].
            y: Class of each sample.
            groups: Whom each sample is of, such as its speaker: nobody is in both parts then. A
                dev part is drawn by class otherwise.

        Raises:
            ValueError: A setting is out of range, X or y is not what it should be, or y has one
                class.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__}: expected two classes or more, got 1 class. Add samples."
            )
        rng = check_random_state(self.random_state)
        is_number = isinstance(self.random_state, int | np.integer)
        seed = int(self.random_state) if is_number else int(rng.randint(_LARGEST))
        whose = None if groups is None else _numbered(groups, len(numbers))
        is_dev = _dev_part(numbers, whose, self.dev_fraction, np.random.default_rng(seed))
        fold = next(MLPHead().fit(self._data(X, numbers, is_dev, seed), Fitting(self.refit)))
        self._fitted = fold.fitted
        selected = next(row for row in fold.trials if row["selected"])
        self.best_epoch_, self.dev_uar_ = selected["best_epoch"], selected["dev_uar"]
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities, [samples, classes], in the order of `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return np.asarray(self._fitted.outputs(X), dtype=np.float64)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sample."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def _data(self, X: np.ndarray, numbers: np.ndarray, is_dev: np.ndarray, seed: int) -> Any:
        """Return samples as the trainers take utterances: by id, a name for each class."""
        ids = np.array([f"{place}" for place in range(len(X))], dtype=object)
        index = pd.Index(ids, name="id")
        names = pd.Series([f"{number:06d}" for number in numbers], index=index, dtype=object)
        # Too few samples for a part of their own: the epoch is selected on those of training.
        dev = ids[is_dev] if is_dev.any() else ids
        split = Split("all", tuple(ids[~is_dev]), tuple(dev), ())
        grid = GridSettings(
            batch_sizes=(self.batch_size,),
            learning_rates=(self.learning_rate,),
            hidden=self._hidden(),
            epochs=self.epochs,
            plateau_patience=self.plateau_patience,
            plateau_factor=self.plateau_factor,
            early_stopping=self.early_stopping,
            class_weights=self.class_weights,
        )
        return TrainingData(
            task=Classification(),
            functionals=pd.DataFrame(X, index=index),
            target=names,
            splits=[split],
            grid=grid,
            seed=seed,
            device=str(resolve_device(self.device)),
        )


class MLPClassifier(_Network):
    """The paper's classifier: blocks of [Linear, LayerNorm, ReLU] and a Linear.

    Args:
        hidden: Widths of the blocks.
        batch_size: Samples in a batch.
        learning_rate: Of Adam.
        epochs: Epochs at most; the one with the best dev UAR is kept.
        plateau_patience: Epochs without a better dev UAR before the learning rate falls.
        plateau_factor: Factor by which it falls.
        early_stopping: Epochs without a better dev UAR after which training stops; None: never.
        class_weights: Let rare classes weigh more in the loss.
        dev_fraction: Share of the samples that select the epoch.
        refit: Whether it is trained again on everything, for as many epochs.
        device: `cpu`, `cuda`, or `auto`: a GPU where there is one.
        random_state: Seed of weights, order and dev part.

    Attributes:
        classes_: The classes, sorted.
        n_features_in_: Width of the inputs.
        best_epoch_: The epoch that was selected.
        dev_uar_: Unweighted average recall on the dev part there: it flatters.

    Source: paper, section 4.3.

    Example:
        >>> import numpy as np
        >>> from tokser.heads import MLPClassifier
        >>> rng = np.random.default_rng(0)
        >>> y = np.repeat(["calm", "angry"], 40)
        >>> X = rng.normal(size=(80, 6)) + (y == "angry")[:, None]
        >>> MLPClassifier(epochs=3, random_state=0).fit(X, y).predict(X).shape
        (80,)
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (128, 64, 32),
        *,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        epochs: int = 30,
        plateau_patience: int = 10,
        plateau_factor: float = 0.1,
        early_stopping: int | None = None,
        class_weights: bool = False,
        dev_fraction: float = 0.2,
        refit: bool = True,
        device: str = "cpu",
        random_state: Any = 0,
    ) -> None:
        self.hidden = hidden
        super().__init__(
            batch_size=batch_size,
            learning_rate=learning_rate,
            epochs=epochs,
            plateau_patience=plateau_patience,
            plateau_factor=plateau_factor,
            early_stopping=early_stopping,
            class_weights=class_weights,
            dev_fraction=dev_fraction,
            refit=refit,
            device=device,
            random_state=random_state,
        )

    def _hidden(self) -> tuple[int, ...]:
        return tuple(self.hidden)


class LinearProbe(_Network):
    """The same without blocks: what a linear map can tell of the classes.

    Args:
        batch_size: Samples in a batch.
        learning_rate: Of Adam.
        epochs: Epochs at most; the one with the best dev UAR is kept.
        plateau_patience: Epochs without a better dev UAR before the learning rate falls.
        plateau_factor: Factor by which it falls.
        early_stopping: Epochs without a better dev UAR after which training stops; None: never.
        class_weights: Let rare classes weigh more in the loss.
        dev_fraction: Share of the samples that select the epoch.
        refit: Whether it is trained again on everything, for as many epochs.
        device: `cpu`, `cuda`, or `auto`: a GPU where there is one.
        random_state: Seed of weights, order and dev part.

    Attributes:
        classes_: The classes, sorted.
        n_features_in_: Width of the inputs.
        best_epoch_: The epoch that was selected.
        dev_uar_: Unweighted average recall on the dev part there: it flatters.
    """


def _numbered(groups: Any, num_samples: int) -> np.ndarray:
    """Return the number of each sample's group."""
    found = column_or_1d(np.asarray(groups))
    if len(found) != num_samples:
        raise ValueError(f"groups: expected {num_samples}, one of each sample, got {len(found)}.")
    return np.unique(found.astype(str), return_inverse=True)[1]


def _dev_part(
    numbers: np.ndarray, groups: np.ndarray | None, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw the samples that select the epoch, [samples]; no class leaves training for it.

    Args:
        numbers: Number of each sample's class.
        groups: Number of each sample's group; None: samples are drawn by class.
        share: How many, as a fraction.
        rng: What draws.

    Returns:
        Which samples are in dev; none where there are too few.
    """
    if not 0 < share < 1:
        raise ValueError(f"dev_fraction: expected a number between 0 and 1, got {share}.")
    is_dev = np.zeros(len(numbers), dtype=bool)
    if groups is None:
        for one in np.unique(numbers):
            own = rng.permutation(np.flatnonzero(numbers == one))
            is_dev[own[: int(share * len(own))]] = True
        return is_dev
    left = np.bincount(numbers)
    for group in rng.permutation(np.unique(groups)):
        own = groups == group
        without = left - np.bincount(numbers[own], minlength=len(left))
        if is_dev.sum() < share * len(numbers) and without.min() > 0:
            is_dev |= own
            left = without
    return is_dev
