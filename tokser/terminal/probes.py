"""Tables of what layers know, and of how alike they are."""

import pandas as pd
from rich.table import Table

from tokser.plain_text import shown
from tokser.terminal.layout import folded_table

__all__ = ["probe_tables", "similarity_tables"]


def probe_tables(table: "pd.DataFrame") -> list[Table]:
    """Show the score of each feature with its interval and control, a table for each target."""
    tables = []
    for target, part in table.groupby("target", sort=False):
        first = part.iloc[0]
        kinds = f"{int(first['num_classes'])} classes, " if first["metric"] == "uar" else ""
        title = (
            f"{target}: {kinds}n = {first['n']:,}, {first['num_groups']:,} {first['grouped_by']}s"
            f"{', ' + first['head'] if first['head'] == 'logreg' else ''}"
        )
        heading = f"{first['metric'].upper()} [95 %]"
        own = folded_table("feature", heading, "shuffled", "selectivity", title=title)
        for row in part.itertuples():
            ends = f" [{100 * row.low:.1f}, {100 * row.high:.1f}]" if row.low == row.low else ""
            own.add_row(
                shown(str(row.feature)),
                f"{100 * row.score:.1f}{ends}",
                f"{100 * row.control:.1f}",
                f"{100 * row.selectivity:.1f}",
            )
        tables.append(own)
    return tables


def similarity_tables(table: "pd.DataFrame") -> list[Table]:
    """Show for each feature the other one that is most like it."""
    tables = []
    others = table[(table["first"] != table["second"]) & table["cka"].notna()]
    for over, part in others.groupby("over", sort=False):
        title = f"over {int(part['num_samples'].max()):,} {over}"
        own = folded_table("feature", "most like", "CKA [95 %]", "R2 from it", title=title)
        for first, pairs in part.groupby("first", sort=False):
            best = pairs.loc[pairs["cka"].idxmax()]
            back = part[(part["first"] == best["second"]) & (part["second"] == first)]
            own.add_row(
                shown(str(first)),
                shown(str(best["second"])),
                f"{best['cka']:.2f}" + _ends(best["cka_low"], best["cka_high"]),
                f"{back['r2'].iloc[0]:.3f}",
            )
        tables.append(own)
    return tables


def _ends(low: float, high: float) -> str:
    return "" if low != low else f" [{low:.2f}, {high:.2f}]"
