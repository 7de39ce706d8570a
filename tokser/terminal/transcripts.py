"""Tables of transcripts and of their errors."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
from rich.table import Table

from tokser.plain_text import shown
from tokser.terminal.layout import folded_table

if TYPE_CHECKING:
    from tokser.transcription.transcript import Transcript
    from tokser.transcription.word_errors import WordErrors

__all__ = ["transcripts_table", "word_errors_table"]


def transcripts_table(transcripts: "Mapping[str, Transcript]") -> Table:
    """Show how many transcripts were written, by language, and how surely."""
    table = folded_table("language", "recordings", "no speech", "repetition", "median confidence")
    rows = pd.DataFrame(
        [(one.language, one.note, one.confidence) for one in transcripts.values()],
        columns=["language", "note", "confidence"],
    )
    for language, part in rows.groupby("language"):
        counts = part["note"].value_counts()
        table.add_row(
            shown(str(language)),
            f"{len(part):,}",
            *(f"{counts.get(note, 0):,}" for note in ("no speech", "repetition")),
            _number(part["confidence"].median()),
        )
    return table


def word_errors_table(found: "WordErrors") -> Table:
    """Show error rates with their intervals."""
    rows = found.table
    title = f"{len(rows):,} transcripts compared; {found.normaliser}"
    table = folded_table("error rate", "value", "95 % interval", "over", title=title)
    for name, rate, unit in (("WER", found.wer, "words"), ("CER", found.cer, "characters")):
        interval = rate.interval
        ends = f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"
        table.add_row(
            name,
            f"{100 * rate.value:.1f} %",
            interval.missing or ends,
            f"{rows[unit].sum():,} {unit}, {interval.num_units:,} {found.units}",
        )
    return table


def _number(value: float) -> str:
    return "none" if value != value else f"{value:.2f}"
