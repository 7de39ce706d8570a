"""`.. tokser-command:: extract` writes what `tokser extract --help` shows, with anchors.

sphinx-click does this for plain commands; it knows neither topics nor defaults that are found at
run time, which the command line's own classes do. The texts are those of the settings.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from tokser.cli import main

__all__ = ["command_at", "leaves", "setup"]


def command_at(path: str) -> tuple[click.Command, click.Context]:
    """Return a command, and the context in which it is called.

    Args:
        path: Its words without `tokser`, `store info`.
    """
    command: Any = main
    context = click.Context(main, info_name="tokser")
    for word in path.split():
        found = command.get_command(context, word) if _has_more(command) else None
        if found is None:
            raise KeyError(f"there is no command `tokser {path}`")
        command, context = found, click.Context(found, info_name=word, parent=context)
    return command, context


def leaves(path: str = "") -> Iterator[str]:
    """Yield every command that does something, with its words."""
    command, context = command_at(path)
    if not isinstance(command, click.Group):
        yield path
    for name in command.list_commands(context) if _has_more(command) else ():
        yield from leaves(f"{path} {name}".strip())


def _has_more(command: Any) -> bool:
    """Tell whether words may follow: of a group and of `tokser manifest`, which runs alone, too."""
    return hasattr(command, "list_commands")


class CommandReference(SphinxDirective):
    """What a command does, how it is called, its options by topic, and its example."""

    required_arguments = 1
    optional_arguments = 3

    def run(self) -> list[nodes.Node]:
        """Return the reference as nodes."""
        path = " ".join(self.arguments)
        try:
            command, context = command_at(path)
        except KeyError as error:
            raise self.error(str(error.args[0])) from None
        lines = [f".. program:: tokser {path}", "", *_literal(f"{_usage(command, context)}")]
        lines += [_as_rst(inspect.cleandoc(command.help or "")), ""]
        for topic, options in _by_topic(command, context).items():
            lines += [f".. rubric:: {topic}", "   :heading-level: 4", ""]
            for option in options:
                lines += _option_lines(option, context)
        example = getattr(command, "example", "")
        if example:
            lines += [".. rubric:: Example", "   :heading-level: 4", "", *_literal(example)]
        return self.parse_text_to_nodes("\n".join(lines))


def _usage(command: click.Command, context: click.Context) -> str:
    return f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}"


def _by_topic(command: click.Command, context: click.Context) -> dict[str, list[click.Option]]:
    topics: dict[str, list[click.Option]] = {}
    for one in command.get_params(context):
        # Those of every command stand on the page of the command line.
        shared = {"--help", "--verbose", "--quiet"} & set(one.opts)
        if isinstance(one, click.Option) and not one.hidden and not shared:
            topics.setdefault(getattr(one, "topic", "Options"), []).append(one)
    return topics


def _option_lines(option: click.Option, context: click.Context) -> list[str]:
    record = option.get_help_record(context)
    if record is None:
        return []
    names, text = record
    help_text, notes = _without_notes(text)
    signature = ", ".join(names.replace(" / ", ", ").split(", ")).replace("\\", "\\\\")
    lines = [f".. option:: {signature}", "", f"   {_as_rst(' '.join(help_text.split()))}"]
    return [*lines, f"   *{_escaped(notes)}*" if notes else "", ""]


def _without_notes(text: str) -> tuple[str, str]:
    """Return help, and what stands in the brackets at its end."""
    help_text, bracket, notes = text.rpartition("  [")
    if not bracket and text.startswith("["):
        return "", text[1:-1]
    return (help_text, notes[:-1]) if bracket and notes.endswith("]") else (text, "")


def _literal(text: str) -> list[str]:
    return [".. code-block:: console", "", *(f"   {line}" for line in text.splitlines()), ""]


def _as_rst(text: str) -> str:
    """Return help in Markdown as reStructuredText: `name` is code, all else is plain."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(f"`{p}`" if p.startswith("`") else _escaped(p) for p in parts)


def _escaped(text: str) -> str:
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def setup(app: Any) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("tokser-command", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
