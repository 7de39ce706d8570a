"""Tables of an extraction: what it will write, and what it came to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from tokser.terminal.layout import NARROW, folded_table

if TYPE_CHECKING:
    from tokser.extraction.estimate import Estimate
    from tokser.extraction.summary import Summary

__all__ = ["estimate_table", "summary_table"]


def estimate_table(found: "Estimate") -> Table:
    """Show what an extraction will write."""
    table = folded_table("feature", "rows", "GB", "shards", "there already")
    for feature in found.features:
        table.add_row(
            feature.name,
            f"{feature.num_rows:,}",
            f"{feature.num_bytes / 1e9:.3f}",
            str(feature.num_shards),
            str(feature.num_shards_done),
        )
    return table


def summary_table(found: "Sequence[Summary]") -> Table:
    """Show what an extraction came to, by encoder."""
    table = Table(title="utterances of this run", box=box.SIMPLE_HEAD, **NARROW)
    if any(one.num_windowed for one in found):
        table.caption = "over window: longer than the encoder's window, encoded window by window"
    table.add_column("\nencoder", overflow="fold")
    headings = ("\nusable", "encoded\nnow", "\nhours", "x real\ntime", "per\nsecond", "\nGB")
    for heading in (*headings, "resam-\npled", "over\nwindow", "quaran-\ntined"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        has_audio = one.kind == "speech"
        times = (
            f"{one.audio_s / one.seconds:.1f}" if has_audio and one.seconds and one.audio_s else ""
        )
        speed = f"{one.num_encoded / one.seconds:.1f}" if one.seconds and one.num_encoded else ""
        table.add_row(
            one.encoder,
            f"{one.num_usable:,}",
            f"{one.num_encoded:,}",
            f"{one.audio_s / 3600:.2f}" if has_audio else "",
            times,
            speed,
            f"{one.num_bytes / 1e9:.3f}",
            f"{one.num_resampled:,}",
            f"{one.num_windowed:,}",
            f"{one.num_quarantined:,}",
        )
    return table
