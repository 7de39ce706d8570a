"""Any estimator of scikit-learn's contract as a head: `--head package.module:Class`."""

import difflib
import importlib
import inspect
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from sklearn.base import is_classifier, is_regressor

from tokser.config import GridSettings
from tokser.errors import MissingPackageError, RunError, SettingsError, list_some, shortened
from tokser.experiments.heads.head import Head
from tokser.experiments.heads.per_fold import Candidate, Part, PerFoldHead
from tokser.experiments.heads.trained_foreign import TrainedForeign
from tokser.experiments.search_space import Space, is_range, space_of_values
from tokser.experiments.task import Loss, Task

__all__ = ["ForeignHead", "find_class"]

_MOST_POINTS = 10_000
_SEED, _WEIGHTS = "random_state", "class_weight"


class ForeignHead(PerFoldHead):
    """A class of another package, fitted at each point of a grid of its own.

    Args:
        name: `package.module:Class`.
        task: What it is to predict.
        grid: A value of each parameter, or a list of values that are tried.

    Raises:
        MissingPackageError: Its package cannot be imported.
        SettingsError: The class is no estimator of the task, puts out no probabilities or
            decisions, or has no such parameter.
    """

    trained_as = TrainedForeign
    known_losses: ClassVar = frozenset[Loss]({"cross-entropy", "squared error"})

    def __init__(self, name: str, task: Task, grid: Mapping[str, Any]) -> None:
        self.name = name
        self._made = _instance(name, find_class(name))
        _require_task(name, self._made, task)
        self._known = self._made.get_params()
        _require_parameters(name, grid, self._known)
        self._task, self._space = task, space_of_values(grid)
        self._given = dict(grid)
        self._grid = {key: _values(value) for key, value in grid.items()}
        self.is_random = _SEED in self._known and _SEED not in grid  # type: ignore[misc]
        self.losses = frozenset[Loss]({task.loss})  # type: ignore[misc]
        self.has_probabilities = hasattr(self._made, "predict_proba")  # type: ignore[misc]
        if len(self.points()) > _MOST_POINTS:
            raise SettingsError(
                "--head-grid",
                expected=f"at most {_MOST_POINTS:,} points",
                got=f"{len(self.points()):,}",
                remedy="Name fewer values, or let `--search optuna` draw some.",
            )

    def points(self) -> list[dict[str, Any]]:
        """Return the points, in order; the first of equals is selected."""
        return [dict(zip(self._grid, one, strict=True)) for one in self._combinations()]

    def space(self, grid: GridSettings) -> Space:
        """Return what its own grid spans."""
        return self._space

    def at(self, point: Mapping[str, Any], grid: GridSettings) -> tuple[Head, GridSettings]:
        """Return the same class with a grid of one point."""
        single = {key: [value] for key, value in point.items()}
        return ForeignHead(self.name, self._task, self._given | single), grid

    def require_settings(self, grid: GridSettings) -> None:
        """Raise if a range is to be written out, or classes weighted where the class cannot."""
        ranges = [name for name, value in self._given.items() if is_range(value)]
        if ranges:
            raise SettingsError(
                f"--head-grid, {ranges[0]}",
                expected="a value, or a list of values that are tried",
                got="a range",
                remedy="Write a list, or let `--search optuna` draw from the range.",
            )
        if grid.class_weights and _WEIGHTS not in self._known:
            raise SettingsError(
                f"--class-weights, --head {self.name}",
                expected=f"a class with the parameter {_WEIGHTS}",
                got="none",
                remedy="Leave --class-weights out, or name another head.",
            )

    def num_points(self, grid: GridSettings) -> int:
        """Count the points of its own grid."""
        return len(self.points())

    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return an estimator at each point."""
        return [self.candidate(point, grid, seed) for point in self.points()]

    def candidate(self, point: Mapping[str, Any], grid: GridSettings, seed: int) -> Candidate:
        """Return an estimator at one point.

        Args:
            point: Value by parameter.
            grid: Whether classes are weighted.
            seed: Of its random numbers, where it draws any.
        """
        usual: dict[str, Any] = {_SEED: seed} if self.is_random else {}
        if grid.class_weights:
            usual[_WEIGHTS] = "balanced"
        estimator = _instance(self.name, type(self._made)).set_params(**{**usual, **point})
        return Candidate({"params": _written(point)}, lambda part: self._fit(estimator, part))

    def _fit(self, estimator: Any, part: Part) -> Iterator[Any]:
        """Fit a new copy, whose faults are told as ours."""
        from sklearn.base import clone

        try:
            yield clone(estimator).fit(part.values, part.target)
        except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
            raise RunError(
                f"--head {self.name}, {shortened(repr(estimator), 200)}",
                expected="an estimator that can be fitted on names of classes, or on numbers",
                got=shortened(str(error)),
                remedy="Correct --head-grid, or wrap the class in one that takes this.",
            ) from error

    def _combinations(self) -> Iterator[tuple[Any, ...]]:
        return itertools.product(*self._grid.values())


def find_class(name: str) -> type[Any]:
    """Import a class.

    Args:
        name: `package.module:Class`.

    Raises:
        MissingPackageError: The module cannot be imported.
        SettingsError: It has no such class.
    """
    module_name, _, class_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise MissingPackageError(
            f"--head {name}",
            expected=f"a module {module_name} that can be imported",
            got=str(error),
            remedy="Install its package into the environment of tokser, or correct the name.",
        ) from error
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        near = difflib.get_close_matches(class_name, classes, n=1)
        raise SettingsError(
            f"--head {name}",
            expected=f"a class of {module_name}",
            got=f"none called {class_name}",
            remedy=f"Did you mean {near[0]}?" if near else "Correct the name.",
        )
    return found


def _instance(name: str, kind: type[Any]) -> Any:
    """Return an estimator with its defaults."""
    needed = ("fit", "predict", "get_params", "set_params")
    absent = [method for method in needed if not callable(getattr(kind, method, None))]
    if absent:
        raise SettingsError(
            f"--head {name}",
            expected="an estimator of scikit-learn's contract",
            got=f"a class without {list_some(absent)}",
            remedy="Derive it from sklearn.base.BaseEstimator.",
        )
    try:
        return kind()
    except TypeError as error:
        raise SettingsError(
            f"--head {name}",
            expected="a class that can be made without arguments, as scikit-learn asks for",
            got=str(error),
            remedy="Give its parameters defaults, or wrap it in a class that has them.",
        ) from error


def _require_task(name: str, estimator: Any, task: Task) -> None:
    wants_classes = task.loss == "cross-entropy"
    kind = "classifier" if wants_classes else "regressor"
    if not (is_classifier(estimator) if wants_classes else is_regressor(estimator)):
        raise SettingsError(
            f"--head {name}",
            expected=f"a {kind}",
            got="an estimator that is none",
            remedy=f"Name a {kind} (its class derives from sklearn.base.{kind.title()}Mixin)"
            f", or use `tokser {'regress' if wants_classes else 'classify'}`.",
        )
    outputs = ("predict_proba", "decision_function")
    if wants_classes and not any(hasattr(estimator, method) for method in outputs):
        raise SettingsError(
            f"--head {name}",
            expected="a classifier with predict_proba or decision_function",
            got="neither",
            remedy="Wrap it, for instance in sklearn.calibration.CalibratedClassifierCV.",
        )


def _require_parameters(name: str, grid: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    unknown = [key for key in grid if key not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.0)
        nearest = f" (nearest known one: {near[0]!r})" if near else ""
        raise SettingsError(
            "--head-grid",
            expected=f"parameters of {name}",
            got=f"unknown parameter {unknown[0]!r}{nearest}",
            remedy=f"It has {list_some(sorted(known), most=20) or 'none'}.",
        )
    if any(isinstance(value, list) and not value for value in grid.values()):
        raise SettingsError(
            "--head-grid",
            expected="at least one value of each parameter",
            got="an empty list",
            remedy="Name a value.",
        )


def _values(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _written(point: Mapping[str, Any]) -> str:
    """Write a point as its column in the table of trials: `C=0.1, kernel="rbf"`."""
    if not point:
        return "defaults"
    return ", ".join(f"{key}={json.dumps(value, default=str)}" for key, value in point.items())
