"""Text of a corpus, a file name or another program, made fit to be printed."""

import re

from tokser.redaction import redacted

__all__ = ["one_line", "plain", "shown"]

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # title, links, strings
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and marks that override the direction of writing."""

_SURROGATES = re.compile("[\ud800-\udfff]")
"""Bytes of a file name that are no text."""


def plain(text: str) -> str:
    """Return a text without escape sequences and control characters; line feeds and tabs stay.

    A terminal would obey them: recolour, retitle, write over what stands there.
    """
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _CONTROLS.sub("", _ESCAPES.sub("", text)))


def one_line(text: str) -> str:
    """Return the same, with one space for every stretch of white space, line feeds included."""
    return " ".join(plain(text).split())


def shown(text: object) -> str:
    """Return a text as it may be printed: no escape sequences, and no secrets of addresses."""
    return plain(redacted(str(text)))
