"""Figures of calibration: reliability, coverage by speaker, accuracy among the most confident."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tokser.report.svg import COLOURS, INK, MUTED, Drawing, draw

__all__ = ["MOST_GROUPS", "class_reliability_figure", "coverage_figure", "reliability_figure",
           "risk_figure"]  # fmt: skip

MOST_GROUPS = 30
"""Speakers that the figure of coverage shows: those that are covered least."""
_KINDS = {"raw": (COLOURS[1], "s", "Before"), "calibrated": (COLOURS[0], "o", "Calibrated")}
_SETS = {
    "speakers": (COLOURS[0], "o", "Sets for new speakers"),
    "utterances": (COLOURS[1], "s", "Sets for exchangeable utterances"),
}
_OF_CLASSES = (*COLOURS[:5], INK)
_ROW = 17
_BESIDE = 0.13


def reliability_figure(curve: pd.DataFrame, title: str) -> Drawing:
    """Draw how often the most probable class is true, by its probability, before and after.

    Args:
        curve: Rows of `reliability.csv` of one configuration, of the most probable class.
        title: Name of the figure.
    """

    def paint(axes: Axes) -> None:
        _paint_diagonal(axes)
        for kind, own in curve.groupby("probabilities", sort=False):
            colour, marker, label = _KINDS[str(kind)]
            _paint_curve(axes, own, colour, marker, label)
        _label(axes, "Probability of the predicted class [%]", "Predictions that are right [%]")
        least = 100 * float(min(curve["mean_probability"].min(), curve["share_true"].min()))
        axes.set_xlim(max(0.0, least - 8), 101)
        axes.set_ylim(max(0.0, least - 20), 102)

    return draw(paint, height=330, title=title, description=_in_words(curve, "probabilities"))


def class_reliability_figure(curves: pd.DataFrame, title: str) -> Drawing:
    """Draw how often each class is true, by its calibrated probability.

    Args:
        curves: Rows of `reliability.csv` of one configuration, calibrated, of every class.
        title: Name of the figure.
    """

    def paint(axes: Axes) -> None:
        _paint_diagonal(axes)
        for number, (label, own) in enumerate(curves.groupby("label", sort=False)):
            colour = _OF_CLASSES[number % len(_OF_CLASSES)]
            said, true = 100 * own["mean_probability"], 100 * own["share_true"]
            dashes = "-" if number < len(_OF_CLASSES) else "--"
            axes.plot(said, true, color=colour, ls=dashes, marker=".", lw=1.4, label=str(label))
        _label(axes, "Probability of the class [%]", "Utterances of the class [%]")
        axes.set_xlim(-1, 101)
        axes.set_ylim(-2, 102)

    return draw(paint, height=330, title=title, description=_in_words(curves, "label"))


def _in_words(curves: pd.DataFrame, by: str) -> str:
    """Say the bins of each curve."""
    return "; ".join(
        f"{name}: "
        + ", ".join(
            f"{100 * r.mean_probability:.0f} % said, {100 * r.share_true:.0f} % true"
            for r in own.itertuples()
        )
        for name, own in curves.groupby(by, sort=False)
    )


def coverage_figure(rows: pd.DataFrame, level: float, title: str) -> Drawing:
    """Draw the coverage of each speaker, and of all, with intervals.

    Args:
        rows: Rows of `coverage.csv` of one configuration and level, of all and of each speaker.
        level: What was asked for.
        title: Name of the figure.
    """
    whole = rows[rows["group_kind"] == "all"]
    least = rows[rows["group_kind"] != "all"].groupby("group")["coverage"].min()
    names = sorted(least.nsmallest(MOST_GROUPS).index.astype(str))
    by_name = rows[rows["group"].isin(names)]
    kind = str(by_name["group_kind"].iloc[0]) if len(by_name) else "speaker"
    places = {name: place for place, name in enumerate(["", *names])}
    texts = [
        f"{_SETS[str(r.exchangeable)][2]}, {r.group or 'all'}: {100 * r.coverage:.1f} %, "
        f"{r.mean_set_size:.2f} classes"
        for r in pd.concat([whole, by_name]).itertuples()
    ]

    def paint(axes: Axes) -> None:
        axes.axvline(100 * level, color=INK, lw=1.2, ls=":")
        for number, (kind_of_set, (colour, marker, label)) in enumerate(_SETS.items()):
            own = pd.concat([whole, by_name])
            own = own[own["exchangeable"] == kind_of_set]
            if own.empty:
                continue
            at = np.array([places[str(name)] for name in own["group"]]) + _BESIDE * (2 * number - 1)
            value = 100 * own["coverage"].to_numpy()
            axes.plot(value, at, ls="", marker=marker, ms=5, color=colour, label=label)
            low, high = (100 * own[f"coverage_{end}"].to_numpy() for end in ("low", "high"))
            axes.hlines(at, low, high, color=colour, lw=1.2)
        axes.set_yticks(range(len(places)), ["All", *names])
        axes.set_ylim(len(places) - 0.4, -0.6)
        axes.set_xlabel(f"Coverage [%]; dotted: {100 * level:g} % asked for")
        axes.set_ylabel(kind.title())
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))

    height = _ROW * len(places) + 120
    return draw(paint, height=height, title=title, description="; ".join(texts))


def risk_figure(curve: pd.DataFrame, title: str) -> Drawing:
    """Draw the accuracy among the most confident utterances, by the share that is answered.

    Args:
        curve: Rows of `risk.csv` of one configuration.
        title: Name of the figure.
    """
    after = curve[curve["probabilities"] == "calibrated"]
    text = ", ".join(
        f"{100 * r.share_answered:.0f} % answered, {100 * r.accuracy:.1f} % right"
        for r in after.itertuples()
    )

    def paint(axes: Axes) -> None:
        for kind, own in curve.groupby("probabilities", sort=False):
            colour, _, label = _KINDS[str(kind)]
            share = 100 * own["share_answered"].to_numpy()
            dashes = "-" if kind == "calibrated" else "--"
            axes.plot(share, 100 * own["accuracy"], color=colour, ls=dashes, label=label)
            low, high = (100 * own[f"accuracy_{end}"].to_numpy() for end in ("low", "high"))
            if kind == "calibrated" and np.isfinite(low).all():
                axes.fill_between(share, low, high, color=colour, alpha=0.18, lw=0)
        _label(axes, "Utterances answered, the most confident first [%]", "Accuracy [%]")
        axes.set_xlim(4, 101)

    return draw(paint, height=300, title=title, description=text)


def _paint_diagonal(axes: Axes) -> None:
    axes.plot([0, 100], [0, 100], color=MUTED, ls=":", lw=1.4, label="Perfect calibration")


def _paint_curve(axes: Axes, own: pd.DataFrame, colour: str, marker: str, label: str) -> None:
    said, true = 100 * own["mean_probability"].to_numpy(), 100 * own["share_true"].to_numpy()
    axes.plot(said, true, color=colour, marker=marker, ms=4, lw=1.4, label=label)
    low, high = (100 * own[f"share_true_{end}"].to_numpy() for end in ("low", "high"))
    if np.isfinite(low).all():
        axes.vlines(said, low, high, color=colour, lw=1, alpha=0.6)


def _label(axes: Axes, below: str, beside: str) -> None:
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    axes.legend(frameon=False)
