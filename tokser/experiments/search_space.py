"""What a search draws points from: names among which it chooses, and ranges of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tokser.config import GridSettings
from tokser.errors import SettingsError, shortened

__all__ = ["Range", "Space", "Values", "is_range", "space_of_grid", "space_of_values"]

_RANGE_KEYS = {"low", "high", "log", "step"}


@dataclass(frozen=True)
class Values:
    """Values among which one is drawn."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included.

    Attributes:
        low: The least.
        high: The greatest.
        log: Whether each power of ten is as likely as the next.
        step: Distance of two numbers; None: any between them.
        is_whole: Whether they are whole.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    is_whole: bool = False


Space: TypeAlias = Mapping[str, Values | Range]
"""What is drawn, by parameter; what is fixed is not in it."""


def space_of_grid(grid: GridSettings, *, with_hidden: bool) -> Space:
    """Return what a network's grid spans.

    Learning rates are drawn between the least and the greatest one, on a log scale; batch sizes and
    widths among those that are named. Epochs are none of it: the best one is selected anyway.

    Args:
        grid: The grid.
        with_hidden: Whether the head has hidden layers.
    """
    rates = grid.learning_rates
    found: dict[str, Values | Range] = {}
    if max(rates) > min(rates):
        found["learning_rate"] = Range(min(rates), max(rates), log=True)
    if len(grid.batch_sizes) > 1:
        found["batch_size"] = Values(grid.batch_sizes)
    shapes = tuple(shape for shape in grid.hidden if isinstance(shape, tuple))
    if with_hidden and len(shapes) > 1:
        found["hidden"] = Values(shapes)
    return found


def space_of_values(values: Mapping[str, Any]) -> Space:
    """Return what the grid of a head of another package spans.

    Args:
        values: By parameter: a list of values, `{low: 1e-4, high: 1, log: true}`, or what is fixed.

    Raises:
        SettingsError: A range lacks an end, or has other keys.
    """
    found: dict[str, Values | Range] = {}
    for name, value in values.items():
        if isinstance(value, list | tuple) and len(value) > 1:
            found[name] = Values(tuple(value))
        elif is_range(value):
            found[name] = _range(name, value)
    return found


def is_range(value: Any) -> bool:
    """Tell whether a value of a grid is a range."""
    return isinstance(value, Mapping) and bool({"low", "high"} & set(value))


def _range(name: str, value: Mapping[str, Any]) -> Range:
    low, high = value.get("low"), value.get("high")
    numbers = [one for one in (low, high) if isinstance(one, int | float)]
    log = bool(value.get("log", False))
    is_fit = len(numbers) == 2 and numbers[0] <= numbers[1] and (numbers[0] > 0 or not log)
    if set(value) - _RANGE_KEYS or not is_fit:
        raise SettingsError(
            f"--head-grid, {name}",
            expected="a range such as {low: 1.0e-4, high: 1, log: true}, or with a step",
            got=shortened(repr(dict(value))),
            remedy="Correct the range; with log it begins above 0.",
        )
    is_whole = all(isinstance(one, int) for one in numbers)
    step = None if value.get("step") is None else float(value["step"])
    return Range(float(numbers[0]), float(numbers[1]), log, step, is_whole)
