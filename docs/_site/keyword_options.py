"""Functions that take settings as keywords list them, with the settings' own texts."""

import typing
from typing import Any

import tokser.config
from tokser.config.option import Described, described

__all__ = ["keyword_lines", "setup"]


def keyword_lines(function: Any) -> list[str]:
    """Return the list of the keywords that `**options` stands for; empty if it stands for none.

    Args:
        function: One whose `**options` are annotated as `Unpack[ExtractOptions]`.
    """
    try:
        hints = typing.get_type_hints(function)
    except (TypeError, NameError):
        return []
    (options,) = typing.get_args(hints.get("options")) or (None,)
    name = getattr(options, "__name__", "").replace("Options", "Settings")
    settings = getattr(tokser.config, name, None)
    if settings is None:
        return []
    keywords = set(typing.get_type_hints(options))
    found = [one for one in described(settings) if one.field.rpartition(".")[2] in keywords]
    return [".. rubric:: Keywords in `**options`", "", *(_line(one) for one in found), ""]


def _line(one: Described) -> str:
    kind = " | ".join(one.choices) or one.value.__name__
    kind = f"several {kind}" if one.is_several else kind
    default = one.default_text if one.value is not bool else str(one.default)
    text = f"{one.help} " if one.help else ""
    name = one.field.rpartition(".")[2]
    return f"- `{name}` ({_plain(kind)}): {_plain(text)}*Default: {_plain(default or 'none')}.*"


def _plain(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\*`|_" else letter for letter in text)


def _append(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    if what in ("function", "method"):
        added = keyword_lines(thing)
        if added:
            lines += ["", *added]


def setup(app: Any) -> dict[str, bool]:
    """Extend docstrings after napoleon has read them."""
    app.connect("autodoc-process-docstring", _append, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
