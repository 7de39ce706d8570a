"""Weights of the layers of mixes: `mix.csv` as bars and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tokser.report.figures import legend, protocol_colour, stamped
from tokser.report.naming import layer_of, natural_key, protocol_title
from tokser.report.scores import Configuration, Scores
from tokser.report.svg import INK, MUTED, Drawing, draw
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["LayerWeights", "find_layer_weights", "weights_figure", "weights_table"]

_WIDTH = 0.8
"""Of the bars of a layer together, of the distance between layers."""


@dataclass(frozen=True)
class LayerWeights:
    """What one head learnt of one mix.

    Attributes:
        row: Which head on which features.
        layers: Names of the layers, in order.
        weights: Of each layer, by protocol; an interval over folds where there is one.
    """

    row: Configuration
    layers: tuple[str, ...]
    weights: Mapping[str, Mapping[str, Number]]

    @property
    def equal(self) -> float | None:
        """What each layer weighs at first; None where several mixes stand side by side."""
        groups = {name.rpartition("/")[0] for name in self.layers}
        return 1 / len(self.layers) if len(groups) == 1 else None


def find_layer_weights(scores: Scores, mixes: pd.DataFrame) -> list[LayerWeights]:
    """Return the weights of every configuration with a mix.

    Args:
        scores: The scores of one target.
        mixes: `mix.csv` of the same dataset and target.
    """
    found = []
    for row, _ in scores.rows:
        own = pd.Series(True, index=mixes.index)
        for key in ("features", "classifier", "setup", "source"):
            own &= mixes[key] == getattr(row, key)
        mine = mixes[own]
        layers = sorted(set(mine["layer"]), key=natural_key)
        weights = {
            protocol: {one.layer: _number(one) for one in table.itertuples()}
            for protocol in scores.protocols
            if len(table := mine[mine["protocol"] == protocol])
        }
        if layers:
            found.append(LayerWeights(row, tuple(layers), weights))
    return found


def weights_figure(title: str, found: LayerWeights, stamps: Mapping[str, str]) -> Drawing:
    """Draw a bar for each layer and protocol, with its 95 % interval over folds.

    Args:
        title: Dataset and target.
        found: The weights.
        stamps: Of the protocols that have one, for the legend.

    Returns:
        Inline SVG.
    """
    places = np.arange(len(found.layers))
    wide = _WIDTH / len(found.weights)

    def paint(axes: Axes) -> None:
        for number, (protocol, weights) in enumerate(found.weights.items()):
            numbers = [weights.get(name, Number(np.nan)) for name in found.layers]
            left = places + (number - (len(found.weights) - 1) / 2) * wide
            axes.bar(
                left, [one.value for one in numbers], wide, color=protocol_colour(protocol),
                label=stamped(protocol, stamps),
            )  # fmt: skip
            for place, one in zip(left, numbers, strict=True):
                if one.low is not None and one.high is not None:
                    axes.vlines(place, one.low, one.high, color=INK, lw=1.4)
        if found.equal is not None:
            axes.axhline(found.equal, color=MUTED, ls="-.", lw=1.6, label="Equal weights")
        axes.set_xticks(places, [_short(found, name) for name in found.layers])
        axes.set_xlabel("Layer")
        axes.set_ylabel("Weight")
        axes.set_ylim(bottom=0)
        legend(axes)

    texts = [
        f"{stamped(protocol, stamps)}: "
        + ", ".join(f"{name} {weights[name]}" for name in found.layers if name in weights)
        for protocol, weights in found.weights.items()
    ]
    heading = f"{title}: layer weights of {found.row.label}"
    return draw(paint, height=290, title=heading, description="; ".join(texts))


def weights_table(
    found: Sequence[LayerWeights], name: str, caption: str, stamps: Mapping[str, str]
) -> Table:
    """Show layers down, protocols across.

    Args:
        found: At least one.
        name: Of the table's file.
        caption: What it shows.
        stamps: Of the protocols that have one.
    """
    protocols = list(dict.fromkeys(p for one in found for p in one.weights))
    groups = [ColumnGroup((Column("Layer"), Column("Configuration")))]
    groups += [
        ColumnGroup(
            (Column("Weight", "interval"),), protocol_title(p), stamps.get(p, ""), "not trained"
        )
        for p in protocols
    ]
    rows: list[tuple[Cell, ...]] = [
        (layer, one.row.label, *(one.weights.get(p, {}).get(layer) for p in protocols))
        for one in found
        for layer in one.layers
    ]
    notes = (
        "Weights of a mix add up to 1, and are equal before training. The 95 % interval is over "
        "folds, whose models share most of their training data.",
    )
    return Table(name, caption, tuple(groups), tuple(rows), notes=notes)


def _number(row: object) -> Number:
    value, low, high = (
        float(getattr(row, name)) for name in ("weight", "weight_low", "weight_high")
    )
    if np.isnan(low) or np.isnan(high):
        return Number(value, digits=3, scale=1)
    return Number(value, low, high, digits=3, scale=1)


def _short(found: LayerWeights, name: str) -> str:
    """Return a layer's number where all layers are of one encoder, else its name."""
    layer = layer_of(name)
    return str(layer[1]) if layer and found.equal is not None else name.replace("/", "/\n")
