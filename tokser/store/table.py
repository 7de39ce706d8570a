"""The utterance table: how its text is read, and in what two versions of it differ."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tokser.store.feature_name import FUNCTIONALS, rows_group
from tokser.store.schema import GroupAttributes

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "cells",
    "changed_rows",
    "columns_read",
    "ids_of",
    "parse_manifest",
    "same_cells",
    "table_text",
]

_COUNTS = ("num_samples", "sampling_rate_hz")
_NUMBERS = {
    "emodb": ("recognition_percent", "naturalness_percent"),
    "iemocap": ("valence", "arousal", "dominance"),
}
"""Columns that a corpus has beyond every manifest's, and that are numbers."""


def parse_manifest(text: str, dataset: str = "") -> "pd.DataFrame":
    """Read a manifest's CSV text; index = id, empty text stays empty.

    What is not known to be a number is text, though it may look like one: speaker 03.
    """
    import pandas as pd  # most of what importing this package would take

    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, engine="c")
    for column in (*_COUNTS, *_NUMBERS.get(dataset, ())):
        if column in table:
            table[column] = pd.to_numeric(table[column])
    return table.set_index("id")


def ids_of(text: str) -> list[str]:
    """Read the ids of a manifest's CSV text alone; the rest of a large one would fill memory."""
    import pandas as pd

    return list(
        pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, usecols=["id"])["id"]
    )


def cells(text: str) -> "pd.DataFrame":
    """Read a manifest's CSV text as it is written, every cell text; index = id."""
    import pandas as pd

    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False).set_index("id")


def table_text(table: "pd.DataFrame") -> str:
    """Write cells as the CSV text of a manifest."""
    return str(table.to_csv(lineterminator="\n", index_label="id"))


def same_cells(old: "pd.DataFrame", new: "pd.DataFrame", without: Sequence[str] = ()) -> bool:
    """Tell whether two tables are the same but for some columns."""
    old, new = (table.drop(columns=list(without), errors="ignore") for table in (old, new))
    return (
        bool(old.index.equals(new.index)) and old.equals(new[old.columns])
        if (sorted(old.columns) == sorted(new.columns))
        else False
    )


def changed_rows(
    old: "pd.DataFrame", new: "pd.DataFrame", columns: Sequence[str]
) -> NDArray[np.bool_]:
    """Tell of each utterance of the new table whether the old one has it with other cells.

    Args:
        old: An earlier version, see `cells`.
        new: A later one.
        columns: Which columns matter; those that a version lacks are empty.

    Returns:
        bool [utterances of the new table].
    """
    before, after = (
        table.reindex(columns=list(columns), fill_value="").astype(str) for table in (old, new)
    )
    known = after.index.isin(before.index)
    before = before.reindex(after.index, fill_value="")
    found: NDArray[np.bool_] = (before.to_numpy() != after.to_numpy()).any(axis=1) & known
    return found


def columns_read(groups: Mapping[str, GroupAttributes], group: str) -> tuple[str, ...]:
    """Name the columns that decide the rows of a group."""
    speech, text = ("num_samples", "sampling_rate_hz"), ("transcript",)
    kind, source = groups[group].kind, groups[group].provenance.get("source", {})
    if kind == FUNCTIONALS:
        rows_of = groups.get(rows_group(group))
        if rows_of is not None:
            kind = rows_of.kind
        elif "trained_on" in source:
            kind = "aligned"
        else:
            kind = "text" if "tokenizer_digest" in source else "speech"
    return {"speech": speech, "text": text}.get(kind, (*speech, *text))
