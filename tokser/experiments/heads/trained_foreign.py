"""Estimators that tokser knows nothing of, kept through skops: nothing is pickled."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokser.errors import CheckpointError, MissingPackageError, list_some
from tokser.experiments.heads.trained_estimator import TrainedEstimator, softmax_of_decisions

__all__ = ["FOREIGN_BYTES", "TRUSTED", "TrainedForeign", "foreign_types"]

TRUSTED = frozenset(
    {
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
    }
)
"""Parts of scikit-learn's own estimators that skops wants to be named: they hold numbers. What is
trusted beside these and skops's own list is named by who loads a model."""
FOREIGN_BYTES = "skops"
"""Name of the array that holds what skops wrote."""


class TrainedForeign(TrainedEstimator):
    """Any fitted estimator of scikit-learn's contract.

    skops writes its structure and arrays; reading makes only types that are trusted: those of
    skops's own list, those of `TRUSTED`, and those that the caller names.
    """

    kind = "skops"

    @staticmethod
    def raw_outputs(estimator: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities (of a softmax of decisions where it has none), or numbers."""
        if not hasattr(estimator, "classes_"):
            return np.asarray(estimator.predict(values), dtype=np.float64).reshape(-1)
        if hasattr(estimator, "predict_proba"):
            return np.asarray(estimator.predict_proba(values))
        return softmax_of_decisions(np.asarray(estimator.decision_function(values)))

    @staticmethod
    def learnt(estimator: Any) -> dict[str, np.ndarray]:
        """Return what skops writes, as bytes."""
        return {FOREIGN_BYTES: np.frombuffer(_skops().dumps(estimator), dtype=np.uint8)}

    @staticmethod
    def rebuilt(
        learnt: Mapping[str, np.ndarray],
        classes: np.ndarray | None,
        trusted: Sequence[str] = (),
    ) -> Any:
        """Return the estimator.

        Args:
            learnt: As `learnt` returned them.
            classes: Those of its training part; None for numbers.
            trusted: Names of further types that it may hold, `package.module.Class`.

        Raises:
            CheckpointError: It holds a type that nobody trusts.
        """
        content = learnt[FOREIGN_BYTES].tobytes()
        skops = _skops()
        named = skops.get_untrusted_types(data=content)
        refused = [one for one in named if one not in TRUSTED and one not in trusted]
        if refused:
            raise CheckpointError(
                "weights.safetensors",
                expected="an estimator of scikit-learn's own types, or of types that you trust",
                got=list_some(refused),
                remedy="If you know who made the model, name them: load_model(..., trusted=[...]).",
            )
        estimator = skops.loads(content, trusted=named)
        known = getattr(estimator, "classes_", None)
        names, wanted = (None if c is None else list(map(str, c)) for c in (known, classes))
        if names != wanted:
            raise ValueError(f"an estimator of the classes {names}")
        return estimator


def foreign_types(content: np.ndarray) -> list[str]:
    """Return the types in what skops wrote that are neither skops's own nor in `TRUSTED`."""
    named = _skops().get_untrusted_types(data=content.tobytes())
    return [one for one in named if one not in TRUSTED]


def _skops() -> Any:
    try:
        import skops.io  # an extra
    except ImportError as error:
        raise MissingPackageError(
            "a model with an estimator that is not tokser's own",
            expected="the package skops",
            got="none installed",
            remedy="Install it: pip install 'tokser[models]'.",
        ) from error
    return skops.io
