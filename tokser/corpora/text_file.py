"""Text files of users and corpora, in the encodings that they come in."""

from pathlib import Path

from tokser.errors import InputError

__all__ = ["decode", "read_text"]

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_WESTERN = "cp1252"
"""Latin-1 and more: in Latin-1 the bytes 0x80 to 0x9f are control characters, never text."""
_PROBED_BYTES = 400


def read_text(path: Path, fallback: str = _WESTERN) -> str:
    """Read a text file: UTF-8 where it is valid, UTF-16 by its mark, else Windows-1252.

    Args:
        path: The file.
        fallback: Another encoding instead of Windows-1252.

    Raises:
        InputError: It is none of these.
    """
    return decode(path, fallback)[0]


def decode(path: Path, fallback: str = _WESTERN) -> tuple[str, str]:
    """Return a file's text, and the encoding in which it was read.

    Args:
        path: The file.
        fallback: Encoding of text that is neither UTF-8 nor UTF-16.

    Raises:
        InputError: It is in none that is known.
    """
    content = path.read_bytes()
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    for encoding in [marked] if marked else [_without_mark(content), fallback]:
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise InputError(
        path,
        expected=f"text in {marked or 'UTF-8, UTF-16 or Windows-1252'}",
        got="bytes in another encoding",
        remedy="Save it as UTF-8.",
    )


def _without_mark(content: bytes) -> str:
    """Name the encoding of text that carries no mark; every other byte of UTF-16 is mostly 0."""
    first = content[:_PROBED_BYTES]
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(first) > 3 and 2 * first[offset::2].count(0) > len(first[offset::2]):
            return name
    return "utf-8"
