"""What `--help` looks like: options under topics, their defaults, an example, and `-v`, `-q`, `-h`.

click has no topics and hides no spelling of an option. Both take these few lines; rich-click and
cloup would bring a layout and a decorator language of their own for them.
"""

from collections.abc import Sequence
from typing import Any

import click

from tokser.cli.messages import choose_verbosity

__all__ = ["ENVIRONMENT", "TopicCommand", "TopicGroup", "TopicOption"]

ENVIRONMENT = (
    "Each option is also an environment variable TOKSER_COMMAND_OPTION, for instance "
    "TOKSER_EXTRACT_DEVICE=cpu or TOKSER_STORE_INFO_JSON=1; "
    "the command line takes precedence."
)
_LAST_TOPIC = "General"


class TopicOption(click.Option):
    """An option with a topic and a default in words, which may have spellings that help hides.

    Args:
        declarations: Names, as click takes them.
        topic: Heading under which help shows it.
        hidden_names: Spellings that are understood and not shown.
        default_text: What applies if it is not given.
        is_joined: Whether one text holds all its values, also in the environment.
        arguments: Of `click.Option`.
    """

    def __init__(
        self,
        declarations: Sequence[str],
        *,
        topic: str = "Options",
        hidden_names: Sequence[str] = (),
        default_text: str = "",
        is_joined: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(declarations, **arguments)
        self.topic, self.default_text, self._is_joined = topic, default_text, is_joined
        self._hidden_names = frozenset(hidden_names)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the names without the hidden ones, and the help text with the default."""
        if self.hidden:
            return None
        shown = sorted((n for n in self.opts if n not in self._hidden_names), key=len)
        names = ", ".join(shown)
        if self.secondary_opts:
            names += f" / {', '.join(self.secondary_opts)}"
        elif not self.is_flag and not self.count:
            names += f" {self.make_metavar(ctx)}"
        notes = ["may be repeated"] if self.multiple and not self._is_joined else []
        if self.required:
            notes.append("required")
        elif self.default_text:
            notes.append(f"default: {self.default_text}")
        return names, "  ".join(filter(None, [self.help, f"[{'; '.join(notes)}]" if notes else ""]))

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Look a value up in the environment under the name of the option, not of the setting."""
        long = next((name for name in self.opts if name.startswith("--")), "")
        before = self.name
        self.name = long.removeprefix("--").replace("-", "_") or before
        try:
            return super().resolve_envvar_value(ctx)
        finally:
            self.name = before

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """Return the value in the environment; one text where the option holds several in one."""
        if self._is_joined:
            text = self.resolve_envvar_value(ctx)
            return None if text is None else (text,)
        return super().value_from_envvar(ctx)


class _Topics(click.Command):
    """Shows options by topic, an example at the end, and takes `-h`, `-v` and `-q`."""

    example = ""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params += verbosity_options()

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return `-h` and `--help`, under whatever group the command hangs."""
        return ["-h", "--help"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options topic by topic."""
        topics: dict[str, list[tuple[str, str]]] = {}
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        for parameter in options:
            record = parameter.get_help_record(ctx)
            if record is not None:
                topic = getattr(parameter, "topic", _LAST_TOPIC)
                topics.setdefault(topic, []).append(record)
        last = topics.pop(_LAST_TOPIC, [])
        for topic, records in [*topics.items(), (_LAST_TOPIC, last)]:
            with formatter.section(topic):
                formatter.write_dl(records, col_max=32)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example below the options."""
        if self.example:
            with formatter.section("Example"):
                for line in self.example.splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        super().format_epilog(ctx, formatter)


class TopicCommand(_Topics):
    """A command whose help groups its options by topic and ends in an example.

    Args:
        arguments: Of `click.Command`.
        example: A command line that works.
        options: Of `click.Command`.
    """

    def __init__(self, *arguments: Any, example: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.example = example


class TopicGroup(_Topics, click.Group):
    """The same for a group of commands, which are listed in the order of their declaration."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of their declaration."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with the first sentence of its help."""
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.first_sentence(ctx, name)) for name in names])

    def first_sentence(self, ctx: click.Context, name: str) -> str:
        """Return the first paragraph of a command's help."""
        command = self.get_command(ctx, name)
        text = "" if command is None else (command.help or "").partition("\n\n")[0]
        return " ".join(text.split())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


def verbosity_options() -> list[click.Option]:
    """Return `-v` and `-q`, which every command takes, before its name and after it."""

    def sets(level: str) -> Any:
        def choose(ctx: click.Context, param: click.Parameter, is_given: bool) -> None:
            if is_given:
                choose_verbosity(level)

        return choose

    shared: dict[str, Any] = {"is_flag": True, "expose_value": False, "is_eager": True}
    return [
        TopicOption(
            ["-v", "--verbose"],
            topic=_LAST_TOPIC,
            callback=sets("verbose"),
            help="Show details and times.",
            **shared,
        ),
        TopicOption(
            ["-q", "--quiet"],
            topic=_LAST_TOPIC,
            callback=sets("quiet"),
            help="Show only warnings and errors.",
            **shared,
        ),
    ]
