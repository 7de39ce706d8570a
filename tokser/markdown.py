"""Text and tables of a model card, as Markdown: what comes from a corpus cannot break them."""

from collections.abc import Iterable, Sequence

from tokser.plain_text import shown

__all__ = ["markdown_table", "plain"]


def plain(text: str) -> str:
    """Return text as Markdown shows it: one line, no cells of a table, no HTML."""
    flat = " ".join(shown(text).split())
    return flat.replace("|", "\\|").replace("<", "&lt;")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(map(plain, row)) + " |" for row in rows]
    return "\n".join(lines)
