"""The headline of every layer of every encoder, as a heat map and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tokser.report.layers import LayerCurve
from tokser.report.naming import file_name, protocol_title
from tokser.report.study import Figure, Panel
from tokser.report.svg import COLOURS, INK, Drawing, draw
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table
from tokser.report.tasks import Metric

__all__ = ["LayerMap", "find_layer_maps", "layer_map_panel"]

_ROW = 48
"""Height of an encoder: its name, and its cells below."""
_NARROW = 10
"""Layers up to which a figure is as wide as the others."""
_MOST_WRITTEN = 26
"""Layers up to which cells hold their numbers."""
_WIDTHS = (400, 820)
_DEPTH = 0.6
"""How much of the colour the highest score has: text stays legible on it."""


@dataclass(frozen=True)
class LayerMap:
    """Scores of the layers of several encoders under one protocol.

    Attributes:
        protocol: Its name.
        rows: For each encoder, scores with their intervals by layer.
    """

    protocol: str
    rows: Mapping[str, Mapping[int, Number]]

    @property
    def layers(self) -> list[int]:
        """All layers that any encoder has."""
        return sorted({layer for own in self.rows.values() for layer in own})

    @property
    def ends(self) -> tuple[Number, Number]:
        """The lowest and the highest score."""
        scores = [score for own in self.rows.values() for score in own.values()]
        return min(scores, key=_value), max(scores, key=_value)


def _value(number: Number) -> float:
    return number.value


def find_layer_maps(curves: Sequence[LayerCurve], metric: Metric) -> list[LayerMap]:
    """Return a map for each protocol under which layers of at least two encoders were scored.

    Args:
        curves: Layer curves of one target, one for each encoder and head.
        metric: The score.
    """
    protocols = dict.fromkeys(protocol for curve in curves for protocol in curve.layers)
    found = []
    for protocol in protocols:
        rows = {c.label: _row(c, protocol, metric) for c in curves if protocol in c.layers}
        if len(rows) > 1:
            found.append(LayerMap(protocol, rows))
    return found


def _row(curve: LayerCurve, protocol: str, metric: Metric) -> dict[int, Number]:
    """Return the scores of one encoder by layer, the best one marked."""
    values, best = curve.values[protocol], max(curve.values[protocol])
    return {
        layer: metric.number(
            value, *(ends if np.isfinite(ends).all() else ()), is_best=value == best
        )
        for layer, value, ends in zip(
            curve.layers[protocol], values, curve.intervals[protocol], strict=True
        )
    }


def layer_map_panel(
    maps: Sequence[LayerMap],
    metric: Metric,
    name: str,
    title: str,
    stamps: Mapping[str, str],
) -> Panel | None:
    """Show the maps, a figure for each protocol, with their numbers below.

    Args:
        maps: See `find_layer_maps`.
        metric: The score.
        name: Prefix of the names of files.
        title: Dataset and target.
        stamps: Of the protocols that have one.

    Returns:
        None where there is no map.
    """
    if not maps:
        return None
    figures, tables = [], {}
    for one in maps:
        stamp = stamps.get(one.protocol, "")
        under = protocol_title(one.protocol) + (f" ({stamp})" if stamp else "")
        low, high = (end.shown(end.value) for end in one.ends)
        caption = f"{under}. No colour: {low}, the lowest; full colour: {high}, the highest."
        about = f"{title}, {under}: {metric.name} by encoder and layer"
        file = file_name(f"{name}-layer-map-{one.protocol}")
        is_wide = len(one.layers) > _NARROW
        figures.append(Figure(file, _drawn(one, metric, about), caption, is_wide))
        tables[f"As a table: {under}"] = _table(one, file, about)
    note = (
        f"{metric.name} of each layer on the test sets; the highest of each encoder is bold. The "
        "highest cell is not an estimate, because the test sets selected it."
    )
    return Panel("layers of all encoders", note=note, figures=figures, folded=tables)


def _drawn(one: LayerMap, metric: Metric, title: str) -> Drawing:
    texts = [
        f"{name}: " + ", ".join(f"layer {k} {own[k].shown(own[k].value)}" for k in own)
        for name, own in one.rows.items()
    ]
    return draw(
        lambda axes: _paint(axes, one, metric),
        height=_ROW * len(one.rows) + 46,
        width=_WIDTHS[len(one.layers) > _NARROW],
        title=title,
        description="; ".join(texts),
    )


def _paint(axes: Axes, one: LayerMap, metric: Metric) -> None:
    layers, (low, high) = one.layers, one.ends
    for down, (name, own) in enumerate(one.rows.items()):
        axes.text(-0.5, down - 0.12, name, va="bottom", size=11).set_in_layout(False)
        for layer, score in own.items():
            across = layers.index(layer)
            share = (score.value - low.value) / max(high.value - low.value, 1e-9)
            corner = (across - 0.48, down - 0.06)
            axes.add_patch(Rectangle(corner, 0.96, 0.56, fc=COLOURS[0], alpha=_DEPTH * share, lw=0))
            if len(layers) <= _MOST_WRITTEN:
                weight = "bold" if score.is_best else "normal"
                text, size = score.shown(score.value), 10.5 if len(layers) <= _NARROW else 9.5
                axes.text(
                    across, down + 0.22, text, ha="center", va="center",
                    size=size, weight=weight, color=INK,
                )  # fmt: skip
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.set_ylim(len(one.rows) - 0.45, -0.45)
    axes.set_xticks(range(len(layers)), [str(layer) for layer in layers])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.set_xlabel(f"Layer (0: embedding output); {metric.axis}")
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _table(one: LayerMap, name: str, caption: str) -> Table:
    columns = (Column("Layer"), *(Column(encoder, "interval") for encoder in one.rows))
    rows: list[tuple[Cell, ...]] = [
        (str(layer), *(own.get(layer) for own in one.rows.values())) for layer in one.layers
    ]
    return Table(name, caption, (ColumnGroup(columns),), tuple(rows))
