"""The figures of the page: leaks, UAR over layers, estimates of dimensions, pretraining."""

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

from tokser.report.naming import protocol_title, signed
from tokser.report.svg import COLOURS, INK, MUTED, PAPER, Drawing, draw
from tokser.report.tables import Layers, Leak

__all__ = ["Tenths", "agreement", "convergence", "layer_curve", "leak_sizes", "validation"]

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
_NEAR_CHANCE = 15
"""Percentage points."""
_ROW = 34
"""Height of one configuration in the figure of leaks: its name, and its line below."""


def leak_sizes(
    dataset: str, leaks: Sequence[Leak], stamps: Mapping[str, str] = MappingProxyType({})
) -> Drawing:
    """Draw, for every configuration, UAR with speakers shared and with speakers apart.

    Args:
        dataset: Name of the dataset, for the title.
        leaks: At least one.
        stamps: Of the protocols that have one, for the legend.

    Returns:
        Inline SVG.
    """
    texts = [
        f"{x.label}: {100 * x.speaker:.1f} % to {100 * x.random:.1f} % ({signed(x.points)})"
        for x in leaks
    ]
    return draw(
        lambda axes: _paint_leaks(axes, leaks, stamps),
        height=_ROW * len(leaks) + 84,
        title=f"{dataset}: UAR on unheard speakers, and on the random split",
        description="; ".join(texts),
    )


def _paint_leaks(axes: Axes, leaks: Sequence[Leak], stamps: Mapping[str, str]) -> None:
    rows = np.arange(len(leaks))[::-1]
    ends = {
        "speaker": 100 * np.array([x.speaker for x in leaks]),
        "random": 100 * np.array([x.random for x in leaks]),
    }
    axes.hlines(rows, ends["speaker"], ends["random"], color=MUTED, linewidth=2, zorder=1)
    for protocol, values in ends.items():
        colour, marker = _PROTOCOLS[protocol]
        axes.plot(
            values, rows, marker, color=colour, markersize=8, markeredgecolor=PAPER,
            label=_stamped(protocol, stamps),
        )  # fmt: skip
    low, high = min(map(np.min, ends.values())), max(map(np.max, ends.values()))
    span = max(high - low, 5.0)
    axes.set_xlim(low - 0.06 * span, high + 0.24 * span)
    axes.set_ylim(-0.5, len(leaks) - 0.2)
    for row, leak in zip(rows, leaks, strict=True):
        axes.annotate(
            _shortened(leak.label), (0, row + 0.28), xycoords=("axes fraction", "data"),
            va="bottom", size=11,
        ).set_in_layout(False)  # fmt: skip
        axes.annotate(
            signed(leak.points), (100 * max(leak.random, leak.speaker), row), (9, 0),
            textcoords="offset points", va="center", weight="bold", size=11,
        )  # fmt: skip
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel("UAR [%], difference in points")
    _legend(axes)


def _shortened(label: str) -> str:
    """Leave the middle of a long name out; the table has it whole."""
    kept = (_LINE_LETTERS - 1) // 2
    return label if len(label) <= _LINE_LETTERS else f"{label[:kept]}…{label[-kept:]}"


def layer_curve(
    dataset: str,
    curve: Layers,
    chance: float,
    stamps: Mapping[str, str] = MappingProxyType({}),
) -> Drawing:
    """Draw UAR over the layers of one encoder, a line per protocol, a band of 95 % intervals.

    Dotted: the UAR on dev; a ring is the larger, the more folds' dev parts chose the layer.

    Args:
        dataset: Name of the dataset, for the title.
        curve: Scores of at least two layers.
        chance: UAR of the best constant guess, as a fraction; shown where the curves come near it.
        stamps: Of the protocols that have one, for the legend.

    Returns:
        Inline SVG.
    """
    texts = []
    for protocol, uar in curve.uar.items():
        pairs = zip(curve.layers[protocol], uar, strict=True)
        points = ", ".join(f"layer {layer} {100 * value:.1f} %" for layer, value in pairs)
        texts.append(f"{_stamped(protocol, stamps)}: {points}")
        if chosen := curve.chosen[protocol]:
            folds = ", ".join(f"layer {layer} in {count}" for layer, count in chosen.items())
            texts.append(f"of {sum(chosen.values())} folds, dev chooses {folds}")

    def paint(axes: Axes) -> None:
        for protocol in curve.uar:
            _paint_layers(axes, curve, protocol, _stamped(protocol, stamps))
        # Far below the curves, the line would only flatten them.
        if axes.get_ylim()[0] - 100 * chance < _NEAR_CHANCE:
            axes.axhline(100 * chance, color=MUTED, ls=":", lw=1.6, label="Chance")
        axes.set_xlabel("Layer (0: embedding output)")
        axes.set_ylabel("UAR [%]")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=13, min_n_ticks=1))
        _legend(axes)

    title = f"{dataset}: UAR over the layers of {curve.label}"
    return draw(paint, height=290, title=title, description="; ".join(texts))


def _paint_layers(axes: Axes, curve: Layers, protocol: str, label: str) -> None:
    colour, marker = _PROTOCOLS.get(protocol, _OTHER)
    layers, uar = np.array(curve.layers[protocol]), 100 * np.array(curve.uar[protocol])
    axes.plot(layers, uar, marker=marker, color=colour, label=label)
    dev, band = 100 * np.array(curve.dev_uar[protocol]), 100 * np.array(curve.interval[protocol])
    if np.isfinite(dev).any():
        axes.plot(layers, dev, color=colour, linestyle=":", linewidth=1.4)
    if np.isfinite(band).any():
        axes.fill_between(layers, band[:, 0], band[:, 1], color=colour, alpha=0.14, lw=0)
    chosen = curve.chosen[protocol]
    for layer, count in chosen.items():
        share = count / sum(chosen.values())
        axes.plot(
            layer, uar[list(layers).index(layer)], "o", markersize=9 + 9 * share,
            markerfacecolor="none", markeredgecolor=colour, markeredgewidth=1.4,
        )  # fmt: skip


@dataclass(frozen=True)
class Tenths:
    """Estimates of one dimension, averaged over tenths of the test utterances by their truth."""

    label: str
    truth: NDArray[np.float64]
    """Mean truth of each tenth, ascending."""
    mean: NDArray[np.float64]
    """Mean estimate of each."""
    std: NDArray[np.float64]
    """Standard deviation of the estimates of each."""


def agreement(
    dataset: str,
    target: str,
    curves: Mapping[str, Tenths],
    stamps: Mapping[str, str] = MappingProxyType({}),
) -> Drawing:
    """Draw estimates against the truth, a line per protocol, a band of one std, the diagonal.

    Args:
        dataset: Name of the dataset, for the title.
        target: The dimension.
        curves: By protocol; at least one.
        stamps: Of the protocols that have one, for the legend.

    Returns:
        Inline SVG.
    """

    def paint(axes: Axes) -> None:
        for protocol, curve in curves.items():
            colour, marker = _PROTOCOLS.get(protocol, _OTHER)
            label = _stamped(protocol, stamps)
            axes.plot(curve.truth, curve.mean, marker=marker, color=colour, label=label)
            band = curve.mean - curve.std, curve.mean + curve.std
            axes.fill_between(curve.truth, *band, color=colour, alpha=0.14, lw=0)
        truths = np.concatenate([curve.truth for curve in curves.values()])
        ends = [truths.min(), truths.max()]
        axes.plot(ends, ends, color=MUTED, ls=":", lw=1.6, label="As annotated")
        axes.set_xlabel(f"{target.capitalize()} as annotated")
        axes.set_ylabel(f"{target.capitalize()} as estimated")
        _legend(axes)

    texts = [
        f"{_stamped(protocol, stamps)}, {curve.label}: estimates from {curve.mean[0]:.2f} where "
        f"{curve.truth[0]:.2f} was annotated to {curve.mean[-1]:.2f} where "
        f"{curve.truth[-1]:.2f} was"
        for protocol, curve in curves.items()
    ]
    title = f"{dataset}: {target} as estimated and as annotated"
    return draw(paint, height=290, title=title, description="; ".join(texts))


def convergence(metrics: Mapping[str, pd.DataFrame]) -> Drawing:
    """Draw the training loss of every run over epochs.

    Args:
        metrics: `metrics.csv` by name of run; at least one.

    Returns:
        Inline SVG.

    Source: report, section 4.3, Figure 2.
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
        _legend(axes, _keys_of(list(metrics), [curves[column] for column in shown]))

    texts = [
        _ends(f"{name}, {curves[column][0].lower()}", scale * table[column].dropna(), unit)
        for name, table in metrics.items()
        for column in filter(partial(_has, table), shown)
    ]
    return draw(paint, height=290, title=title, description="; ".join(texts))


def _stamped(protocol: str, stamps: Mapping[str, str]) -> str:
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


def _legend(axes: Axes, keys: Sequence[Artist] = ()) -> None:
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
