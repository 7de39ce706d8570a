"""The points of a grid: batch size, learning rate and widths of a network."""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from tokser.config import GridSettings

__all__ = ["Point", "grid_at", "grid_points"]


class Point(NamedTuple):
    """A point of a grid."""

    batch_size: int
    learning_rate: float
    hidden: tuple[int, ...]
    """Widths of the blocks; none of them: a linear probe."""

    @property
    def params(self) -> dict[str, Any]:
        """Its columns in the table of trials."""
        return {
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "hidden": "-".join(map(str, self.hidden)) or "linear",
        }

    def num_weights(self, num_features: int, num_classes: int) -> int:
        """Count the weights of a model, without its few biases, gains and shifts."""
        widths = (num_features, *self.hidden, num_classes)
        return sum(wide * narrow for wide, narrow in itertools.pairwise(widths))


def grid_at(grid: GridSettings, point: Mapping[str, Any]) -> GridSettings:
    """Return a grid of one point.

    Args:
        grid: Where what the point leaves open comes from; it has one value of that.
        point: `learning_rate`, `batch_size` and `hidden`, or some of them.
    """
    rate = float(point.get("learning_rate", grid.learning_rates[0]))
    size = int(point.get("batch_size", grid.batch_sizes[0]))
    hidden = tuple(point["hidden"]) if "hidden" in point else grid.hidden
    changes = {"learning_rates": (rate,), "batch_sizes": (size,), "hidden": hidden}
    return grid.model_copy(update=changes)


def grid_points(grid: GridSettings) -> list[Point]:
    """Return all points; their order decides between equally good ones."""
    shapes = [shape for shape in grid.hidden if isinstance(shape, tuple)]
    widths = tuple(width for width in grid.hidden if isinstance(width, int))
    product = itertools.product(grid.batch_sizes, grid.learning_rates, shapes or [widths])
    return [Point(*values) for values in product]
