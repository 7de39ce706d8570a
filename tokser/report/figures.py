"""The figures of the page: speaker leakage, layer curves, predicted numbers, pretraining."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tokser.report.layers import LayerCurve
from tokser.report.leakage import Leakage
from tokser.report.naming import protocol_title
from tokser.report.svg import COLOURS, INK, MUTED, PAPER, Drawing, draw
from tokser.report.tasks import Metric

__all__ = [
    "Tenths",
    "agreement",
    "convergence",
    "layer_curve",
    "leakage_figure",
    "legend",
    "protocol_colour",
    "stamped",
    "validation",
]

_PROTOCOLS = {
    "speaker": (COLOURS[0], "o"),
    "random": (COLOURS[1], "s"),
    "fixed": (COLOURS[2], "^"),
    "text": (COLOURS[3], "D"),
}
_OTHER = (COLOURS[4], "v")
_Dashes = Literal["-", "--", ":", "-."]
_LINE_LETTERS = 66
"""Letters that fit side by side in a legend."""
_NEAR_CHANCE = 0.15
"""Fraction of the score's range: chance is drawn where curves come as near."""
_ROW = 34
"""Height of one configuration in the figure of leakage: its name, and its line below."""


def leakage_figure(
    title: str,
    metric: Metric,
    leakage: Sequence[Leakage],
    stamps: Mapping[str, str] = MappingProxyType({}),
) -> Drawing:
    """Draw, for every configuration, the score with speakers shared and with unseen speakers.

    Args:
        title: Dataset and target.
        metric: The score.
        leakage: At least one.
        stamps: Of the protocols that have one, for the legend.

    Returns:
        Inline SVG.
    """
    texts = [
        f"{x.label}: {metric.text(x.speaker)} to {metric.text(x.random)} ({_difference(metric, x)})"
        for x in leakage
    ]
    return draw(
        lambda axes: _paint_leakage(axes, metric, leakage, stamps),
        height=_ROW * len(leakage) + 84,
        title=f"{title}: {metric.name} on unseen speakers and on the random split",
        description="; ".join(texts),
    )


def _paint_leakage(
    axes: Axes, metric: Metric, leakage: Sequence[Leakage], stamps: Mapping[str, str]
) -> None:
    rows = np.arange(len(leakage))[::-1]
    ends = {
        "speaker": metric.scale * np.array([x.speaker for x in leakage]),
        "random": metric.scale * np.array([x.random for x in leakage]),
    }
    axes.hlines(rows, ends["speaker"], ends["random"], color=MUTED, linewidth=2, zorder=1)
    for protocol, values in ends.items():
        colour, marker = _PROTOCOLS[protocol]
        axes.plot(
            values, rows, marker, color=colour, markersize=8, markeredgecolor=PAPER,
            label=stamped(protocol, stamps),
        )  # fmt: skip
    low, high = min(map(np.min, ends.values())), max(map(np.max, ends.values()))
    span = max(high - low, 0.05 * metric.scale)
    axes.set_xlim(low - 0.06 * span, high + 0.24 * span)
    axes.set_ylim(-0.5, len(leakage) - 0.2)
    for row, one in zip(rows, leakage, strict=True):
        axes.annotate(
            _shortened(one.label), (0, row + 0.28), xycoords=("axes fraction", "data"),
            va="bottom", size=11,
        ).set_in_layout(False)  # fmt: skip
        axes.annotate(
            _difference(metric, one), (metric.scale * max(one.random, one.speaker), row), (9, 0),
            textcoords="offset points", va="center", weight="bold", size=11,
        )  # fmt: skip
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel(f"{metric.axis}, and the difference")
    legend(axes)


def _difference(metric: Metric, one: Leakage) -> str:
    return str(metric.number(one.difference, is_difference=True))


def _shortened(label: str) -> str:
    """Leave the middle of a long name out; the table has it whole."""
    kept = (_LINE_LETTERS - 1) // 2
    return label if len(label) <= _LINE_LETTERS else f"{label[:kept]}…{label[-kept:]}"


def layer_curve(
    title: str,
    metric: Metric,
    curve: LayerCurve,
    chance: float,
    stamps: Mapping[str, str] = MappingProxyType({}),
) -> Drawing:
    """Draw a score over the layers of one encoder: a line per protocol, a band of 95 % intervals.

    Dotted: the score on dev. A ring is the larger, the more folds' dev sets selected the layer. The
    legend explains both.

    Args:
        title: Dataset and target.
        metric: The score.
        curve: Scores of at least two layers.
        chance: What the best constant prediction scores; drawn where the curves come near it.
        stamps: Of the protocols that have one, for the legend.

    Returns:
        Inline SVG.
    """
    texts = []
    for protocol, values in curve.values.items():
        pairs = zip(curve.layers[protocol], values, strict=True)
        points = ", ".join(f"layer {layer} {metric.text(value)}" for layer, value in pairs)
        texts.append(f"{stamped(protocol, stamps)}: {points}")
        if selected := curve.selected[protocol]:
            folds = ", ".join(f"layer {layer} in {count}" for layer, count in selected.items())
            texts.append(f"of {sum(selected.values())} folds, dev selects {folds}")

    def paint(axes: Axes) -> None:
        for protocol in curve.values:
            _paint_layers(axes, metric.scale, curve, protocol, stamped(protocol, stamps))
        # Far below the curves, the line would only flatten them.
        if axes.get_ylim()[0] - metric.scale * chance < _NEAR_CHANCE * metric.scale:
            axes.axhline(metric.scale * chance, color=MUTED, ls="-.", lw=1.6, label="Chance")
        axes.set_xlabel("Layer (0: embedding output)")
        axes.set_ylabel(metric.axis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=13, min_n_ticks=1))
        legend(axes, [*axes.get_legend_handles_labels()[0], *_keys_of_layers(metric, curve)])

    heading = f"{title}: {metric.name} over the layers of {curve.label}"
    return draw(paint, height=290, title=heading, description="; ".join(texts))


def _keys_of_layers(metric: Metric, curve: LayerCurve) -> list[Artist]:
    """Explain the dotted lines and the rings, where there are any."""
    keys: list[Artist] = []
    if any(np.isfinite(values).any() for values in curve.dev.values()):
        keys.append(Line2D([], [], color=INK, ls=":", lw=1.4, label=f"{metric.name} on dev"))
    if any(curve.selected.values()):
        keys.append(
            Line2D(
                [], [], color=INK, ls="none", marker="o", markersize=11, markerfacecolor="none",
                markeredgewidth=1.4, label="Selected on dev",
            )
        )  # fmt: skip
    return keys


def _paint_layers(axes: Axes, scale: float, curve: LayerCurve, protocol: str, label: str) -> None:
    colour, marker = _PROTOCOLS.get(protocol, _OTHER)
    layers, values = np.array(curve.layers[protocol]), scale * np.array(curve.values[protocol])
    axes.plot(layers, values, marker=marker, color=colour, label=label)
    dev = scale * np.array(curve.dev[protocol])
    band = scale * np.array(curve.intervals[protocol])
    if np.isfinite(dev).any():
        axes.plot(layers, dev, color=colour, linestyle=":", linewidth=1.4)
    if np.isfinite(band).any():
        axes.fill_between(layers, band[:, 0], band[:, 1], color=colour, alpha=0.14, lw=0)
    selected = curve.selected[protocol]
    for layer, count in selected.items():
        share = count / sum(selected.values())
        axes.plot(
            layer, values[list(layers).index(layer)], "o", markersize=9 + 9 * share,
            markerfacecolor="none", markeredgecolor=colour, markeredgewidth=1.4,
        )  # fmt: skip


@dataclass(frozen=True)
class Tenths:
    """Predicted numbers, averaged over tenths of the test utterances by their annotation."""

    label: str
    truth: NDArray[np.float64]
    """Mean annotation of each tenth, ascending."""
    mean: NDArray[np.float64]
    """Mean prediction of each."""
    std: NDArray[np.float64]
    """Standard deviation of the predictions of each."""


def agreement(
    title: str,
    target: str,
    curves: Mapping[str, Tenths],
    stamps: Mapping[str, str] = MappingProxyType({}),
) -> Drawing:
    """Draw predictions over annotations: a line per protocol, a band of one std, the diagonal.

    Args:
        title: Name of the dataset.
        target: What is predicted, for instance `valence`.
        curves: By protocol; at least one.
        stamps: Of the protocols that have one, for the legend.

    Returns:
        Inline SVG.
    """

    def paint(axes: Axes) -> None:
        for protocol, curve in curves.items():
            colour, marker = _PROTOCOLS.get(protocol, _OTHER)
            label = stamped(protocol, stamps)
            axes.plot(curve.truth, curve.mean, marker=marker, color=colour, label=label)
            band = curve.mean - curve.std, curve.mean + curve.std
            axes.fill_between(curve.truth, *band, color=colour, alpha=0.14, lw=0)
        truths = np.concatenate([curve.truth for curve in curves.values()])
        ends = [truths.min(), truths.max()]
        axes.plot(ends, ends, color=MUTED, ls=":", lw=1.6, label="Perfect agreement")
        axes.set_xlabel(f"{target.capitalize()}, annotated")
        axes.set_ylabel(f"{target.capitalize()}, predicted")
        legend(axes)

    texts = [
        f"{stamped(protocol, stamps)}, {curve.label}: predictions from {curve.mean[0]:.2f} for "
        f"annotations of {curve.truth[0]:.2f} to {curve.mean[-1]:.2f} for {curve.truth[-1]:.2f}"
        for protocol, curve in curves.items()
    ]
    heading = f"{title}: {target}, predicted and annotated"
    return draw(paint, height=290, title=heading, description="; ".join(texts))


def convergence(metrics: Mapping[str, pd.DataFrame]) -> Drawing:
    """Draw the training loss of every run over epochs.

    Args:
        metrics: `metrics.csv` by name of run; at least one.

    Returns:
        Inline SVG.

    Source: paper, section 4.3, Figure 2.
    """
    return _over_epochs(
        metrics,
        {"train_loss": ("Training", "-")},
        scale=1,
        unit="",
        axis="Contrastive loss",
        title="Training loss over epochs",
    )


def validation(metrics: Mapping[str, pd.DataFrame]) -> Drawing:
    """Draw the 1-NN token match rate of every run, with its baselines and chance.

    Args:
        metrics: `metrics.csv` by name of run; at least one has a column `dev_match_rate`.

    Returns:
        Inline SVG.

    Source: paper, section 4.3, Figure 3. Departs: mismatched speech and the text-only baseline are
    added.
    """
    return _over_epochs(
        metrics,
        {
            "dev_match_rate": ("Matched speech", "-"),
            "dev_match_rate_mismatched": ("Mismatched speech", "--"),
            "dev_match_rate_text_only": ("Text-only baseline", "-."),
            "dev_chance": ("Chance", ":"),
        },
        scale=100,
        unit=" %",
        axis="1-NN token match rate, dev [%]",
        title="Share of dev tokens whose nearest neighbour is their own teacher token",
    )


def _over_epochs(
    metrics: Mapping[str, pd.DataFrame],
    curves: Mapping[str, tuple[str, _Dashes]],
    *,
    scale: float,
    unit: str,
    axis: str,
    title: str,
) -> Drawing:
    """Draw columns of `metrics.csv`: a colour per run, a line style per column."""
    shown = [c for c in curves if any(_has(table, c) for table in metrics.values())]

    def paint(axes: Axes) -> None:
        for i, table in enumerate(metrics.values()):
            for column in filter(partial(_has, table), shown):
                points = table[["epoch", column]].dropna()
                colour, marker = _run_style(i)
                axes.plot(
                    points["epoch"],
                    scale * points[column],
                    color=colour,
                    linestyle=curves[column][1],
                    # A line through one point cannot be seen.
                    marker=marker or ("o" if len(points) == 1 else ""),
                )
        axes.set_xlabel("Epoch")
        axes.set_ylabel(axis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, min_n_ticks=1))
        legend(axes, _keys_of(list(metrics), [curves[column] for column in shown]))

    texts = [
        _ends(f"{name}, {curves[column][0].lower()}", scale * table[column].dropna(), unit)
        for name, table in metrics.items()
        for column in filter(partial(_has, table), shown)
    ]
    return draw(paint, height=290, title=title, description="; ".join(texts))


def protocol_colour(protocol: str) -> str:
    """Return the colour of a protocol, the same in every figure."""
    return _PROTOCOLS.get(protocol, _OTHER)[0]


def stamped(protocol: str, stamps: Mapping[str, str]) -> str:
    """Name a protocol together with its stamp, if it has one."""
    stamp = stamps.get(protocol)
    return f"{protocol_title(protocol)}, {stamp}" if stamp else protocol_title(protocol)


def _run_style(index: int) -> tuple[str, str]:
    """Return the colour and marker of a run; markers begin where colours begin again."""
    return COLOURS[index % len(COLOURS)], ("", "o", "s", "^")[index // len(COLOURS) % 4]


def _keys_of(runs: Sequence[str], curves: Sequence[tuple[str, _Dashes]]) -> list[Line2D]:
    """Explain colours where there are several runs, and line styles where there are several."""
    keys = []
    if len(runs) > 1:
        for i, name in enumerate(runs):
            colour, marker = _run_style(i)
            keys.append(Line2D([], [], color=colour, marker=marker, label=name))
    if len(curves) > 1:
        colour = INK if len(runs) > 1 else COLOURS[0]
        keys += [Line2D([], [], color=colour, linestyle=d, label=name) for name, d in curves]
    return keys


def legend(axes: Axes, keys: Sequence[Artist] = ()) -> None:
    """Put the key above a figure: that of its axes, or the one given; none where there is none."""
    keys = keys or axes.get_legend_handles_labels()[0]
    if not keys:
        return
    longest = max(len(str(key.get_label())) for key in keys)
    axes.figure.legend(
        handles=keys,
        loc="outside upper left",
        ncols=max(1, min(3, _LINE_LETTERS // (longest + 6))),
        handlelength=1.9,
        columnspacing=1.4,
        borderpad=0.2,
        handletextpad=0.6,
    )


def _has(table: pd.DataFrame, column: str) -> bool:
    return column in table.columns and bool(table[column].notna().any())


def _ends(name: str, values: pd.Series, unit: str) -> str:
    """Say in words where a curve begins and ends."""
    return f"{name}: from {values.iloc[0]:.3g}{unit} to {values.iloc[-1]:.3g}{unit}"
