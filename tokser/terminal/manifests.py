"""Tables of manifests: their counts, and what is in quarantine."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.table import Table

from tokser.terminal.layout import add_some, folded_table

__all__ = ["counts_of", "counts_table", "faults_table"]


def counts_of(manifest: pd.DataFrame) -> list[dict[str, Any]]:
    """Count a manifest's utterances, by label where it has labels, else by speaker's sex."""
    by = "label" if manifest["label"].any() else "sex"
    hours = manifest["num_samples"] / manifest["sampling_rate_hz"].clip(lower=1) / 3600
    parts = [(str(value) or "unknown", part) for value, part in manifest.groupby(by, sort=True)]
    return [_counts(by, value, part, hours) for value, part in [*parts, ("all", manifest)]]


def _counts(by: str, value: str, part: pd.DataFrame, hours: "pd.Series[float]") -> dict[str, Any]:
    known = part["speaker"][part["speaker"].ne("")]
    return {
        by: value,
        "num_utterances": len(part),
        "hours": float(hours[part.index].sum()),
        "num_speakers": int(known.nunique()),
        "num_without_speaker": len(part) - len(known),
    }


def counts_table(manifest: pd.DataFrame) -> Table:
    """Show the counts of a manifest."""
    counts = counts_of(manifest)
    by = next(iter(counts[0]))
    table = folded_table(by, "utterances", "hours", "speakers")
    for row in counts:
        if row is counts[-1]:
            table.add_section()
        without = row["num_without_speaker"]
        speakers = "unknown" if without == row["num_utterances"] else str(row["num_speakers"])
        if 0 < without < row["num_utterances"]:
            speakers += f", {without} without one"
        table.add_row(row[by], str(row["num_utterances"]), f"{row['hours']:.2f}", speakers)
    return table


def faults_table(reasons: Mapping[str, str]) -> Table:
    """List utterances in quarantine, and why."""
    table = folded_table(
        "in quarantine", "reason", title=f"{len(reasons)} utterances in quarantine"
    )
    add_some(table, list(reasons.items()))
    return table
