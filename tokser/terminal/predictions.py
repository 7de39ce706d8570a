"""A table of predictions."""

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.table import Table

from tokser.plain_text import shown
from tokser.terminal.layout import add_some, folded_table

__all__ = ["predictions_table"]

_TIMES = ("start_s", "end_s")
_SET = "prediction_set"


def predictions_table(predictions: pd.DataFrame) -> Table:
    """Show predictions: the label, and the three classes of the largest probability; or numbers."""
    names = predictions["id"].astype(str)
    folder = os.path.commonpath([os.path.dirname(name) for name in names]) if len(names) else ""  # noqa: PTH120
    only = names.nunique() == 1
    texts = [name for name in predictions.columns if name == "transcript"]
    values = [one for one in predictions.columns[3:] if not one.startswith("transcript")]
    heads = [] if only else ["recording"]
    table = folded_table(*heads, "from (s)", "to (s)", *_heads_of(values), *texts)
    table.title = shown(names.iloc[0] if only else folder) or None if len(names) else None
    rows = []
    for name, (_, row) in zip(names, predictions.iterrows(), strict=True):
        times = [f"{row[column]:.2f}" if row[column] == row[column] else "" for column in _TIMES]
        named = [] if only else [shown(name.removeprefix(folder).lstrip("/"))]
        said = [shown(str(row[name])) for name in texts]
        rows.append((*named, *times, *_cells_of(row[values]), *said))
    add_some(table, rows)
    return table


def _heads_of(values: Sequence[str]) -> list[str]:
    sets = ["prediction set"] if _SET in values else []
    return ["label", "most probable", *sets] if "label" in values else list(values)


def _cells_of(values: "pd.Series[Any]") -> list[str]:
    """Write the label and its rivals; or numbers."""
    if "label" not in values.index:
        return [f"{value:.3f}" for value in values]
    sets = [shown(str(values[name])) for name in values.index if name == _SET]
    shares = (
        values.drop(["label", _SET], errors="ignore")
        .astype(float)
        .sort_values(ascending=False, kind="stable")
    )
    best = [f"{name.removeprefix('probability_')} {share:.1%}" for name, share in shares.items()]
    return [shown(values["label"]), shown(", ".join(best[:3])), *sets]
