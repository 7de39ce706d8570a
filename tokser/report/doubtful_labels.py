"""Doubtful labels as tables, and how often which label stands for which class as a heat map."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tokser.report.svg import COLOURS, INK, MUTED, Drawing, draw
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["doubtful_table", "label_noise_figure", "label_noise_table"]

_CELL = 34
"""Height of a row."""
_DEPTH = 0.6
"""How much of the colour the largest share has: text stays legible on it."""
_NOTE = (
    "Errors of the model count as errors of labels, too: the estimate is an upper end, and a list "
    "of what to listen to, not of what is wrong."
)


def doubtful_table(
    doubtful: pd.DataFrame, name: str, title: str, *, most: int = 20, is_narrow: bool = False
) -> Table:
    """Return the most doubtful labels.

    Args:
        doubtful: `doubtful.csv`.
        name: Of the table's file.
        title: Name of the corpus.
        most: Utterances that are listed.
        is_narrow: Whether flags are counted, and not named, as a terminal needs it.
    """
    has_annotators = bool(doubtful["annotators_share"].notna().any())
    columns = [
        *(Column("Utterance"), Column("Label"), Column("Suggested")),
        Column("Flags", "number") if is_narrow else Column("Flagged by"),
        Column("Support", "number"),
        Column("Model", "number"),
        Column("Neighbours", "number"),
        *([Column("Annotators", "number")] if has_annotators else []),
    ]
    rows: list[tuple[Cell, ...]] = []
    for row in doubtful.head(most).itertuples(index=False):
        shares = [row.support, row.self_confidence, row.neighbours_share]
        shares += [row.annotators_share] if has_annotators else []
        cells = [None if np.isnan(share) else Number(float(share)) for share in shares]
        flags = int(row.num_flags) if is_narrow else str(row.flagged_by or "nobody")
        is_kept = row.suggested_label == row.label
        suggested = "as labelled" if is_kept else str(row.suggested_label)
        rows.append((str(row.id), str(row.label), suggested, flags, *cells))
    return Table(
        name=name,
        caption=f"{title}: the most doubtful of {len(doubtful):,} labels, in percent",
        groups=(ColumnGroup(tuple(columns)),),
        rows=tuple(rows),
        notes=(
            "Model, neighbours, annotators: the probability that an out-of-fold model gives the "
            "label, and the shares of the nearest utterances and of the annotators that have it. "
            "Support: all of these together.",
        ),
    )


def label_noise_table(noise: pd.DataFrame, name: str, title: str) -> Table:
    """Return which label is estimated to stand for which other class, the most errors first.

    Args:
        noise: `label-noise.csv`.
        name: Of the table's file.
        title: Name of the corpus.
    """
    columns = (
        *(Column("Label"), Column("Class in its place")),
        Column("Expected errors", "number"),
        Column("of the label [%]", "number"),
        Column("Flagged by the model", "number"),
    )
    shown = noise[(noise["expected_errors"] >= 0.5) | (noise["num_flagged"] > 0)]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            str(row.label),
            str(row.other),
            Number(float(row.expected_errors), scale=1),
            Number(float(row.share_of_label)),
            int(row.num_flagged),
        )
        for row in shown.itertuples(index=False)
    )
    expected, flagged = noise["expected_errors"].sum(), int(noise["num_flagged"].sum())
    return Table(
        name=name,
        caption=f"{title}: how often a label is estimated to stand for another class",
        groups=(ColumnGroup(columns),),
        rows=rows,
        totals=("All pairs", None, Number(float(expected), scale=1), None, flagged),
        notes=("Pairs with less than half an error are left out. " + _NOTE,),
    )


def label_noise_figure(noise: pd.DataFrame, title: str) -> Drawing:
    """Draw the estimated share of each label's utterances that belong to another class.

    Args:
        noise: `label-noise.csv`.
        title: Name of the corpus.
    """
    names = sorted({*noise["label"], *noise["other"]})
    square = noise.pivot_table(index="label", columns="other", values="share_of_label")
    shares = square.reindex(index=names, columns=names).to_numpy(dtype=float)
    largest = max(float(np.nanmax(shares)), 0.01)
    worst = noise.head(3)
    told = "; ".join(
        f"{row.label} for {row.other}: {row.expected_errors:.1f} expected errors"
        for row in worst.itertuples(index=False)
    )

    def paint(axes: Axes) -> None:
        for (down, across), share in np.ndenumerate(shares):
            if np.isnan(share):
                continue
            depth, corner = _DEPTH * share / largest, (across - 0.5, down - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fc=COLOURS[0], alpha=depth, lw=0))
            ink = INK if share >= 0.005 else MUTED
            text = f"{100 * share:.0f}"
            axes.text(across, down, text, ha="center", va="center", size=10, color=ink)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.set_xlabel("Estimated class [% of the label]")
        axes.set_ylabel("Label")
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)

    height = _CELL * len(names) + 96
    return draw(paint, height=height, title=f"{title}: estimated label noise", description=told)
