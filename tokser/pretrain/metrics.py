"""`metrics.csv` of a pretraining run: how it is read, and which epoch is kept and shown."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["FORMER_COLUMNS", "HEADLINE", "best_epoch", "read_metrics"]

HEADLINE = "dev_match_rate"
"""Column of `metrics.csv` that selects the epoch: the 1-NN match rate over the whole dev part."""

FORMER_COLUMNS = {"shuffled": "mismatched", "diagonality": "monotonicity"}
"""Words in names of columns as earlier versions wrote them, and as they are read."""


def best_epoch(rows: Iterable[Mapping[Any, Any]]) -> int | None:
    """Return the first of the epochs from 1 on whose match rate no other exceeds.

    The untrained aligner, epoch 0, is never the best. Of equals the first is: it took the least
    training, and no later epoch can take its place when a run is resumed.

    Args:
        rows: Rows of `metrics.csv`, in any order: at least `epoch` and `dev_match_rate`.

    Returns:
        The epoch; None where none from 1 on was validated.

    Source: paper, section 4.3 (1-NN validation selects the model). Departs: the paper does not
    say what decides between equals.
    """
    rates = {int(row["epoch"]): float(row[HEADLINE]) for row in rows}
    trained = {epoch: rate for epoch, rate in rates.items() if epoch > 0 and rate == rate}  # no NaN
    return min(trained, key=lambda epoch: (-trained[epoch], epoch), default=None)


def read_metrics(path: Path) -> pd.DataFrame:
    """Read the table, a row per epoch: `epoch`, an int, and floats, to their last digit.

    pandas' own reading of floats may be off by it, which makes or breaks ties. Columns that an
    earlier version named otherwise get their present names.

    Raises:
        ValueError: A column holds text.
    """
    texts = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = {
        _present_name(str(name)): [_number(text, name) for text in texts[name]] for name in texts
    }
    table = pd.DataFrame(columns, dtype=float)
    return table.astype({"epoch": int}) if "epoch" in table else table


def _present_name(column: str) -> str:
    """Replace the words of earlier versions, see `FORMER_COLUMNS`."""
    return "_".join(FORMER_COLUMNS.get(word, word) for word in column.split("_"))


def _number(text: str, column: object) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        raise ValueError(f"expected numbers in column {column}, got text") from None
