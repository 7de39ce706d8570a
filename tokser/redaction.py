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

_WORD = re.compile(r"[^\s\"'<>]+")
"""What may be an address, or several with a comma between."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}$", re.ASCII)
"""At the end of what stands before `://`."""

_PASSWORD = re.compile(
    r"""(?<=://) [^\s:/?\#@\[\]"'<>]{0,2000} :     # a user
    (?! [0-9]+ (?: [\s/?\#.,:;)\]}] | $ ))    # no port
    (?=\S) [^@"'<>\n]{0,2000} @""",
    re.VERBOSE,
)
"""User and password as people type them: with spaces, slashes or a whole address inside."""

_SENTENCE = ".,:;)]}"
"""Punctuation of a sentence that an address ends."""

_CONTAINER = ("abfs", "abfss", "wasb", "wasbs")
"""Schemes of `container@account`, where what stands before the `@` is no secret."""


def redacted(text: str) -> str:
    """Return a text whose addresses have no user, password, query or fragment."""
    if "://" not in text:
        return text
    return _WORD.sub(lambda found: _redacted_word(found[0]), _PASSWORD.sub("", text))


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


def _redacted_word(word: str) -> str:
    first, *rests = word.split("://")
    text, scheme = first, _scheme_of(first)
    for number, rest in enumerate(rests, start=1):
        next_scheme = _scheme_of(rest) if number < len(rests) else ""
        told = _without_user(scheme, rest.removesuffix(next_scheme))
        text += f"://{_without_query(told)}{next_scheme}"
        scheme = next_scheme
    return text


def _scheme_of(text: str) -> str:
    found = _SCHEME.search(text)
    return found[0] if found else ""


def _without_user(scheme: str, rest: str) -> str:
    """Cut what stands before the last `@` of the host part."""
    host_part = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = host_part.rpartition("@")
    if at:
        is_container = scheme.lower() in _CONTAINER and ":" not in user
        return rest if is_container else rest[len(user) + 1 :]
    return rest


def _without_query(rest: str) -> str:
    """Cut query and fragment, but not the punctuation of a sentence that the address ends."""
    address, *query = re.split(r"[?#]", rest, maxsplit=1)
    if not query:
        return rest
    return address + query[0][len(query[0].rstrip(_SENTENCE)) :]
