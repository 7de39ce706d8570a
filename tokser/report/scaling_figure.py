"""Scores against the number of training speakers, or of utterances of each, with power laws."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from tokser.experiments.scaling.power_law import PowerLaw
from tokser.report.naming import file_name
from tokser.report.svg import COLOURS, MUTED, Drawing, draw

__all__ = ["name_of_figure", "scaling_figures"]

_AXES = {"speakers": "Training speakers", "utterances": "Utterances of each training speaker"}
_METRICS = {"uar": "UAR [%]", "ccc": "CCC [%]"}
_MOST_BANDS = 3
"""Curves whose intervals are drawn: more would hide each other."""
_STYLES = (("-", "o"), ("--", "s"), ("-.", "^"))
"""Line and mark of every six further curves."""


def scaling_figures(scores: pd.DataFrame, fits: pd.DataFrame) -> dict[str, Drawing]:
    """Draw a figure for each target and varied number, a curve for each feature.

    Args:
        scores: See `experiments.scaling.table.SCALING`.
        fits: The same, `FITS`.

    Returns:
        By name, `scaling-speakers`, `scaling-valence-utterances` and so on.
    """
    found = {}
    for (target, varied), own in scores.groupby(["target", "varied"], sort=False):
        name = name_of_figure(str(target), str(varied))
        of_curves = fits[(fits["target"] == target) & (fits["varied"] == varied)]
        found[name] = _figure(own, of_curves, str(target), str(varied))
    return found


def name_of_figure(target: str, varied: str) -> str:
    """Return what the figure of a target and varied number is called."""
    return file_name("-".join(filter(None, ("scaling", target, varied))))


def _x_of(rows: pd.DataFrame, varied: str) -> np.ndarray:
    """Return what a curve is a function of: speakers, or mean utterances of each."""
    column = "num_speakers" if varied == "speakers" else "utterances_per_speaker"
    return np.asarray(rows[column], dtype=np.float64)


def _figure(scores: pd.DataFrame, fits: pd.DataFrame, target: str, varied: str) -> Drawing:
    first = scores.iloc[0]
    curves = list(scores.groupby("features", sort=False))
    laws = {str(row["features"]): row for row in fits.to_dict("records")}

    def paint(axes: Axes) -> None:
        for place, (name, own) in enumerate(curves):
            colour = COLOURS[place % len(COLOURS)]
            style, mark = _STYLES[place // len(COLOURS) % len(_STYLES)]
            x, y = _x_of(own, varied), 100 * own["score"].to_numpy()
            axes.plot(x, y, color=colour, ls=style, marker=mark, ms=4, label=str(name))
            low, high = (100 * own[end].to_numpy(dtype=float) for end in ("low", "high"))
            if len(curves) <= _MOST_BANDS and np.isfinite(low).all():
                axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
            law = laws.get(str(name))
            if law is not None and np.isfinite(law["exponent"]):
                _draw_law(axes, law, colour, x[0], is_alone=len(curves) <= _MOST_BANDS)
        axes.plot(
            [], [], color=MUTED, ls=(0, (1, 1.5)), lw=1.4, label="Power law, to twice as many"
        )
        axes.set_xscale("log", base=2)
        ticks = _x_of(curves[0][1], varied)
        ticks = np.unique(np.round([*ticks, 2 * ticks[-1]]))
        axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_xlabel(_AXES[varied])
        metric = _METRICS[str(first["metric"])]
        axes.set_ylabel(f"{target}, {metric}" if target else metric)
        axes.legend(
            frameon=False,
            handlelength=2.8,
            loc="lower right",
            fontsize=9 if len(curves) > 3 else 10,
        )

    heading = f"{first['dataset']}: {_METRICS[str(first['metric'])]} and {_AXES[varied].lower()}"
    return draw(paint, height=320, title=heading, description="; ".join(_in_words(scores, varied)))


def _draw_law(
    axes: Axes, law: dict[str, object], colour: str, first: float, *, is_alone: bool
) -> None:
    """Draw a power law up to twice its largest size; of few curves all of it, with an interval."""
    largest = float(str(law["largest"]))
    sizes = np.geomspace(first if is_alone else largest, 2 * largest, 40)
    values = (np.array(float(str(law[name]))) for name in PowerLaw._fields)
    scores = 100 * (1 - PowerLaw(*values).error(sizes))
    axes.plot(sizes, scores, color=colour, ls=(0, (1, 1.5)), lw=1.4)
    low, value, high = (
        100 * float(str(law[f"score_at_double{end}"])) for end in ("_low", "", "_high")
    )
    ends = [[max(value - low, 0)], [max(high - value, 0)]] if is_alone else None
    axes.errorbar(
        [2 * largest], [value], yerr=ends, color=colour, marker="o", mfc="none", ms=5, lw=1,
        capsize=2,
    )  # fmt: skip


def _in_words(scores: pd.DataFrame, varied: str) -> Iterator[str]:
    for name, own in scores.groupby("features", sort=False):
        pairs = zip(_x_of(own, varied), own["score"], strict=True)
        yield f"{name}: " + ", ".join(f"{x:.0f} {varied} {100 * y:.1f}" for x, y in pairs)
