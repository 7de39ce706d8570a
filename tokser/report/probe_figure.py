"""How well each target is predicted from layer after layer, beside its control."""

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tokser.report.svg import COLOURS, MUTED, Drawing, draw

__all__ = ["name_of_figure", "probe_figures"]

_LAYER = re.compile(r"(?P<group>.+)/layer-(?P<number>\d+)")
_AXES = {"uar": "UAR [%]", "ccc": "CCC [%]"}


def probe_figures(table: pd.DataFrame, title: str) -> dict[str, Drawing]:
    """Draw a figure for each target of which at least two layers of an encoder were probed.

    Args:
        table: See `probing.table`.
        title: Name of the corpus.

    Returns:
        By name, `probe-emotion` and so on.
    """
    return {
        name_of_figure(str(target)): _curves(curves, str(target), title)
        for target, own in table.groupby("target", sort=False)
        if (curves := _by_encoder(own))
    }


def _by_encoder(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each encoder's layers, in their order, where there are two at least."""
    parts = table["feature"].str.extract(_LAYER)
    layers = table.assign(group=parts["group"], layer=parts["number"].astype(float))
    groups = layers.dropna(subset="layer").sort_values("layer").groupby("group", sort=False)
    return {str(name): own for name, own in groups if len(own) > 1}


def _curves(curves: dict[str, pd.DataFrame], target: str, title: str) -> Drawing:
    metric = str(next(iter(curves.values()))["metric"].iloc[0])
    texts = [
        f"{name}: "
        + ", ".join(f"layer {r.layer:.0f} {100 * r.score:.1f}" for r in own.itertuples())
        for name, own in curves.items()
    ]

    def paint(axes: Axes) -> None:
        for place, (name, own) in enumerate(curves.items()):
            colour = COLOURS[place % len(COLOURS)]
            layers, score = own["layer"].to_numpy(), 100 * own["score"].to_numpy()
            axes.plot(layers, score, color=colour, marker="o", label=name)
            low, high = (100 * own[end].to_numpy(dtype=float) for end in ("low", "high"))
            if np.isfinite(low).all():
                axes.fill_between(layers, low, high, color=colour, alpha=0.18, lw=0)
            control = 100 * own["control"].to_numpy()
            axes.plot(layers, control, color=colour, ls=":", lw=1.4)
        axes.plot([], [], color=MUTED, ls=":", lw=1.4, label="Targets shuffled")
        axes.set_xlabel("Layer (0: embedding output)")
        axes.set_ylabel(f"{target}, {_AXES[metric]}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=13, min_n_ticks=1))
        axes.legend(frameon=False)

    heading = f"{title}: {target} by layer"
    return draw(paint, height=290, title=heading, description="; ".join(texts))


def name_of_figure(target: str) -> str:
    """Return the name of a target's figure, whatever letters the target has."""
    return f"probe-{re.sub(r'[^A-Za-z0-9_-]', '_', target)}"
