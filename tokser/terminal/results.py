"""Tables of results, and of what parts of splits share."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.table import Table
from rich.text import Text

from tokser.errors import list_some
from tokser.plain_text import shown
from tokser.terminal.layout import add_some, folded_table

if TYPE_CHECKING:
    from tokser.experiments.splits.audit import Audit

__all__ = ["audit_tables", "results_tables", "shared_tables"]


def audit_tables(audits: "Mapping[str, Audit]") -> Iterator[Table]:
    """Show what the parts of each protocol share and lack, and what they are too small for."""
    table = Table(title="splits; what test shares with train or dev, at most in a fold")
    for heading in ("protocol", "folds", "train", "dev", "test"):
        table.add_column(heading, no_wrap=True)
    table.add_column("shared")
    for protocol, audit in audits.items():
        sizes = [
            str(low) if low == high else f"{low}..{high}" for low, high in audit.parts.values()
        ]
        shared = ", ".join(f"{count} {kind}" for kind, count in audit.shared.items() if count)
        shared = shared or ("nothing that is known" if audit.unknown_speakers else "nothing")
        table.add_row(protocol, str(audit.num_folds), *sizes, _stamped(audit.stamp, shared))
    yield table
    remarks = folded_table("protocol", "what to know")
    for protocol, audit in audits.items():
        for text in audit.remarks:
            remarks.add_row(protocol, text)
        if audit.missing_classes:
            remarks.add_row(protocol, f"classes missing: {list_some(audit.missing_classes)}")
        for kind, names in audit.examples.items():
            some = list_some(names, most=3, num_all=audit.shared.get(kind))
            remarks.add_row(protocol, f"{kind} shared, for instance {some}")
    if remarks.row_count:
        yield remarks
    yield from _near_duplicates(audits)


def _near_duplicates(audits: "Mapping[str, Audit]") -> Iterator[Table]:
    """List recordings that are nearly the same, on both sides of a fold."""
    compared = next((a.content for a in audits.values() if "threshold" in a.content), None)
    if compared is None:
        return
    table = folded_table(
        "protocol",
        "recording",
        "nearly the same",
        "cosine",
        title=f"near-duplicates: cosine >= {compared['threshold']:.2f} in {compared['feature']}; "
        f"{compared['num_pairs']} pairs in the corpus, others up to "
        f"{compared['nearest_below']:.2f}",
    )
    rows = [
        (protocol, pair.first, pair.second, f"{pair.cosine:.3f}")
        for protocol, audit in audits.items()
        for pair in audit.near_duplicates
    ]
    if not rows:
        rows = [("all", "none on both sides of a fold", "", "")]
    add_some(table, rows)
    yield table


def _stamped(stamp: str, text: str) -> Text:
    """Put a stamp, in red, in front of a text."""
    return Text.assemble((shown(stamp), "red"), ": " if stamp else "", shown(text))


def results_tables(folders: Sequence[Path]) -> Iterator[Table]:
    """Show the scores of each results folder, two protocols side by side."""
    from tokser.report.renderers.terminal import render_terminal
    from tokser.report.summary import summary_tables

    for folder in folders:
        yield from map(render_terminal, summary_tables(folder))


def shared_tables(shared: pd.DataFrame) -> Iterator[Table]:
    """Show what every two parts of splits share."""
    from tokser.report.renderers.terminal import render_terminal
    from tokser.report.shared import shared_table

    if len(shared):
        yield render_terminal(shared_table(shared, "shared", "Splits"))
