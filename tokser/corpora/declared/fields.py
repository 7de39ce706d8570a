"""Texts with fields in braces, and columns that are made of them."""

import math
import re
from collections.abc import Callable, Mapping

from tokser.corpora.declared.declaration import Column
from tokser.errors import list_some

__all__ = ["column_text", "fields_in", "fill"]

_FIELD = re.compile(r"\{([^{}]*)\}")


def fields_in(text: str) -> list[str]:
    """Return the names of the fields of a text, in order."""
    return _FIELD.findall(text)


def fill(text: str, fields: Mapping[str, str]) -> str:
    """Put values into a text.

    Args:
        text: With names in braces.
        fields: Value of each name.

    Raises:
        KeyError: A name has no value.
    """
    return _FIELD.sub(lambda match: fields[match[1]], text)


def column_text(
    column: Column, fields: Mapping[str, str], read: Callable[[str], str]
) -> tuple[str, str]:
    """Return the text of a column for one utterance, and what is wrong with it.

    Args:
        column: How it is made.
        fields: What is known of the utterance.
        read: Reads a text file by its path; "" if it is not there.

    Returns:
        The text, and "" or a fault.
    """
    raw = read(fill(column.file, fields)) if column.file else fill(column.value, fields)
    text = " ".join(raw.split())
    if column.case != "as written":
        text = text.lower() if column.case == "lower" else text.upper()
    if column.parity is not None:
        if not (text.isascii() and text.isdigit()):
            return "", f"{text!r} is no number"
        return (column.parity.odd if int(text) % 2 else column.parity.even), ""
    if column.values or column.otherwise is not None:
        if text in column.values:
            text = column.values[text]
        elif column.otherwise is not None:
            text = column.otherwise.replace("{}", text)
        elif text:
            return "", f"{text!r} is none of {list_some(list(column.values), most=20)}"
    return _number(text, column) if column.decimal else (text, "")


def _number(text: str, column: Column) -> tuple[str, str]:
    """Return a number as Python writes it, so that equal numbers are equal texts."""
    if text == "" or text.lower() in ("nan", "na"):
        return "", ""
    try:
        number = float(text.replace(",", ".") if column.decimal == "comma" else text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return "", f"{text!r} is no number"
    if column.between is not None and not column.between[0] <= number <= column.between[1]:
        return "", f"{text!r} is not between {column.between[0]:g} and {column.between[1]:g}"
    return repr(number), ""
