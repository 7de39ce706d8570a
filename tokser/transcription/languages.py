"""Names of languages as Whisper has them."""

import difflib
import functools
from collections.abc import Mapping

from tokser.errors import SettingsError

__all__ = ["require_language", "whisper_language"]


def whisper_language(name: str) -> str | None:
    """Return Whisper's code of a language; None if it has none, or the name is empty.

    Args:
        name: A code (`de`), one with a region (`en-US`, `pt_BR`), or an English name (`German`).
    """
    asked = name.strip().lower().replace("_", "-")
    codes = _codes()
    return codes.get(asked) or codes.get(asked.partition("-")[0])


def require_language(name: str) -> str:
    """Return Whisper's code of a language.

    Raises:
        SettingsError: Whisper has no such language.
    """
    found = whisper_language(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name.strip().lower()[:50], _codes(), n=1, cutoff=0.6)
    raise SettingsError(
        f"--language {name}",
        expected="a language of Whisper's, such as de or German",
        got="another name",
        remedy=f"Did you mean {near[0]!r}?" if near else "Leave it out: Whisper detects it.",
    )


@functools.cache
def _codes() -> Mapping[str, str]:
    """Return codes by code and by English name."""
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    named: Mapping[str, str] = TO_LANGUAGE_CODE
    return {**{code: code for code in named.values()}, **named}
