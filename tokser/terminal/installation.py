"""Tables of an installation: what it can run, which corpora it knows, what is wrong with it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Column, Table
from rich.text import Text

from tokser.plain_text import shown
from tokser.terminal.layout import NARROW, folded_table

if TYPE_CHECKING:
    from tokser.stages.corpora import KnownCorpus
    from tokser.stages.doctor import Finding
    from tokser.stages.encoders import KnownEncoder

__all__ = ["corpora_table", "encoders_table", "findings_table"]


def findings_table(findings: "Sequence[Finding]") -> Table:
    """Show what `tokser doctor` found."""
    table = folded_table("", "what", "found", "how to fix it", title="tokser doctor")
    colours = {"ok": "green", "note": "yellow", "error": "red"}
    for one in findings:
        table.add_row(Text(one.state, colours[one.state]), one.what, one.detail, one.remedy)
    return table


def corpora_table(corpora: "Sequence[KnownCorpus]") -> Table:
    """Show what `tokser corpora` lists."""
    headings = ("dataset", "language", "hours", "utterances", "classes", "licence", "found")
    table = Table(
        *(Column(heading, overflow="fold", no_wrap=heading == "dataset") for heading in headings),
        title="Corpora that tokser knows",
        box=box.SIMPLE_HEAD,
        **NARROW,
    )
    for one in corpora:
        table.add_row(
            f"{one.dataset} ({one.registered_by})" if one.registered_by else one.dataset,
            ", ".join(one.languages),
            "" if one.hours is None else f"{one.hours:g}",
            "" if one.num_utterances is None else f"{one.num_utterances:,}",
            str(len(one.classes) or ""),
            one.licence,
            Text(", ".join(one.found), "green"),
        )
    return table


def encoders_table(encoders: "Sequence[KnownEncoder]") -> Table:
    """Show what `tokser encoders` lists."""
    headings = ("encoder", "kind", "for instance --encoder", "a row", "from")
    table = Table(
        *(Column(heading, overflow="fold") for heading in headings),
        title="Encoders that tokser can run",
        box=box.SIMPLE_HEAD,
        **NARROW,
    )
    for one in encoders:
        origin = Text(one.origin)
        if one.fault:
            origin.append(f"; {one.fault}", "red")
        table.add_row(*map(shown, (one.name, one.kind, one.example, one.rows)), origin)
    return table
