"""Write the table of docs/corpora.md: python tests/consistency/corpora_page.py."""

from pathlib import Path

from tokser.corpora.declared.catalogue import declarations
from tokser.corpora.declared.declaration import Declaration

PAGE = Path(__file__).resolve().parents[2] / "docs" / "corpora.md"
BEGIN, END = (
    "<!-- the table is written by `make corpora-page` -->\n",
    "\nIEMOCAP and LibriSpeech are",
)
HEADINGS = ("corpus", "language", "hours", "utterances", "speakers", "labels", "subsets", "licence")


def table() -> str:
    """Return the table of all declarations in Markdown."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(_cells, declarations().values())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def page_with(text: str) -> str:
    """Return the page with another table."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}"


def _cells(one: Declaration) -> tuple[str, ...]:
    parts = [subset for subset in one.subsets.values() if subset.is_part]
    utterances = one.whole.num_utterances or sum(part.num_utterances or 0 for part in parts)
    utterances = utterances or sum(split.num_utterances for split in one.splits.values())
    speakers = one.whole.num_speakers or max((part.num_speakers or 0 for part in parts), default=0)
    return (
        f"[{one.title}]({one.site}) `{one.dataset}`",
        ", ".join(one.languages),
        f"{one.hours:g}" if one.hours else "",
        f"{utterances:,}" if utterances else "",
        f"{speakers:,}" if speakers else "",
        ", ".join(one.all_classes),
        ", ".join(f"`{name}`" for name in one.subset_names[1:]),
        one.licence,
    )


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), encoding="utf-8")
