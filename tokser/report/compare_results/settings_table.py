"""What differs between results folders, as a table."""

import pandas as pd

from tokser.report.table import Column, ColumnGroup, Table

__all__ = ["settings_table"]

_KINDS = {
    "setting": "setting",
    "features": "features",
    "data": "digest of the data",
    "version": "version",
}


def settings_table(settings: pd.DataFrame, name: str, caption: str) -> Table:
    """Show a row for everything in which folders differ.

    Args:
        settings: See `settings.settings_that_differ`.
        name: Name of the table's file.
        caption: What it shows.
    """
    folders = [str(one) for one in settings.columns[2:]]
    columns = (Column("Name"), Column("What"), *(Column(one) for one in folders))
    rows = tuple(
        (str(row["name"]), _KINDS[str(row["kind"])], *(str(row[one]) for one in folders))
        for row in settings.to_dict("records")
    )
    notes = () if rows else ("No setting, feature or version differs.",)
    return Table(name, caption, (ColumnGroup(columns),), rows, notes=notes)
