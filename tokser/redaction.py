"""Secrets in addresses: taken out before an address is stored, shown or compared.

`http://user:password@host/x?token=abc` becomes `http://host/x`. The address itself is used as it
was given, by the process that was given it; whoever repeats the work brings the credentials along,
best in the environment.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["redacted", "redacted_values"]

Value = TypeVar("Value")

_SCHEME = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
_PLAIN_PORT = r"\d+(?:[/?#\s]|$)"
_USER = re.compile(
    rf"{_SCHEME}(?:[^\s/?#\"'<>]*@|[^\s/?#:@]*:(?!{_PLAIN_PORT})[^\s\"'<>]*@)",
    re.ASCII,
)
"""Up to the last `@` of the host part; a password may hold a slash that nobody encoded."""

_QUERY = re.compile(
    rf"(?P<address>{_SCHEME}[^\s?#\"'<>]+)[?#][^\s\"'<>]*?(?=[.,:;)\]}}]*(?:[\s\"'<>]|$))", re.ASCII
)
"""Query and fragment, but not the punctuation of a sentence that the address ends."""

_CONTAINER = ("abfs", "abfss", "wasb", "wasbs")
"""Schemes of `container@account`, where what stands before the `@` is no secret."""


def redacted(text: str) -> str:
    """Return a text whose addresses have no user, password, query or fragment."""
    if "://" not in text:
        return text
    return _QUERY.sub(lambda found: found["address"], _USER.sub(_without_user, text))


def redacted_values(value: Value) -> Value:
    """Return a copy of settings, nested as they may be, in which every text is `redacted`."""
    return _redacted_values(value)  # type: ignore[no-any-return]  # of the type that went in


def _redacted_values(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: _redacted_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_redacted_values(item) for item in value)
    return value


def _without_user(found: re.Match[str]) -> str:
    is_container = found["scheme"].lower() in _CONTAINER
    if is_container and ":" not in found[0].partition("://")[2]:
        return found[0]
    return f"{found['scheme']}://"
