"""What the parts of splits share, as a table."""

import pandas as pd

from tokser.report.table import Cell, Column, ColumnGroup, Table

__all__ = ["shared_table"]


def shared_table(shared: pd.DataFrame, name: str, title: str) -> Table:
    """Show which speakers, sessions, sentences and recordings are in two parts of a fold.

    Args:
        shared: `shared.csv`.
        name: Of the table.
        title: Of the dataset, or of what was audited.
    """
    columns = (
        Column("Protocol"), Column("Parts"), Column("Shared"), Column("Number", "number"),
        Column("Of", "number"), Column("Utterances", "number"), Column("Folds"),
        Column("Examples"),
    )  # fmt: skip
    rows = [_row(row) for _, row in shared.iterrows()]
    unknown = shared[shared["num_unknown"].fillna(0).gt(0)]
    told = {
        f"{row.kind} unknown of {int(row.num_unknown)} utterances" for _, row in unknown.iterrows()
    }
    notes = (
        "Number: groups that are in both parts, in the fold that shares most; of: groups in the "
        "second part; utterances: those of the second part that are in such groups.",
        *sorted(f"{text[0].upper()}{text[1:]}: nothing can be said of those." for text in told),
    )
    return Table(
        name, f"{title}: what parts share", (ColumnGroup(columns),), tuple(rows), notes=notes
    )


def _row(row: pd.Series) -> tuple[Cell, ...]:
    folds = f"{row.num_folds_sharing} of {row.num_folds}"
    return (
        str(row.protocol),
        f"{row['first']} and {row['second']}",
        str(row.kind),
        int(row.num_shared),
        int(row.num_second),
        int(row.num_utterances),
        f"{folds}, most in {row.fold}" if row.num_shared and row.num_folds > 1 else folds,
        str(row.examples),
    )
