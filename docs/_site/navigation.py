"""The navigation is the links of the section pages, so it is the same where no site is built.

`index.md` leads to the section pages in the order of `SECTIONS`, each of them to the pages that it
links to, in the order of its links. A page is linked from one section only; Sphinx warns of a page
without one, and warnings end the build.
"""

import re
from typing import Any

__all__ = ["SECTIONS", "pages_of", "setup"]

SECTIONS = {
    "tutorials": "Tutorials",
    "guides": "Guides",
    "reference": "Reference",
    "explanations": "Explanations",
    "benchmarks": "Benchmarks",
    "changelog": "Changelog",
}
"""Section pages and what the head of every page calls them."""
_LINK = re.compile(r"\]\(([\w./-]+)\.md\)")


def pages_of(section: str, text: str) -> list[str]:
    """Return the pages that a section page leads to.

    Args:
        section: Its name, `guides`.
        text: Its Markdown; a link with an anchor does not count.
    """
    if section not in ("tutorials", "guides", "reference", "explanations"):
        return []
    return list(dict.fromkeys(_LINK.findall(text)))


def _add_toctree(app: Any, name: str, source: list[str]) -> None:
    if name == "index":
        entries = [f"{title} <{page}>" for page, title in SECTIONS.items()]
    else:
        entries = pages_of(name, source[0])
    if entries:
        source[0] += "\n".join(["", ":::{toctree}", ":hidden:", "", *entries, ":::", ""])


def setup(app: Any) -> dict[str, bool]:
    """Let Sphinx read section pages so."""
    app.connect("source-read", _add_toctree)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
