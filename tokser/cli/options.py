"""Click options made of settings: the fields of a pydantic model are the only declaration.

This is a generator of our own. pydantic-settings' `CliApp` builds argparse parsers: shells would
complete nothing, `--refit/--no-refit` and hidden earlier spellings have no place in it, and a
setting that another one decides (`--out` by `--workspace`) would have to be required. What is
needed of it is this page; `tokser.config.option` holds the half that knows no click, so that the
report can print the command that stands for some settings by the same declarations.
"""

import functools
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click
import click.shell_completion
from pydantic import BaseModel

from tokser.cli.failures import reports_errors
from tokser.cli.help import TopicCommand, TopicOption
from tokser.config.head_grid import read_head_grid
from tokser.config.option import Described, Written, described
from tokser.corpora.declared.names import declared_names
from tokser.errors import SettingsError, shortened
from tokser.progress import LOGGER
from tokser.threads import VARIABLE, num_threads, use_threads

__all__ = [
    "DATASETS",
    "FILE",
    "FOLDER",
    "Names",
    "command",
    "device_option",
    "json_option",
    "key_values",
    "option",
    "places_option",
    "settings_of",
    "splits_option",
    "store_argument",
    "threads_option",
    "workspace_option",
    "workspace_or_default",
]

Command = TypeVar("Command", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


class Names(click.ParamType[str]):
    """Any text, of which the shell completes the known names."""

    def __init__(self, known: Sequence[str], name: str = "text") -> None:
        self.known, self.name = click.Choice(known), name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Return the names that begin so, of the last of several with commas between."""
        before, comma, last = incomplete.rpartition(",")
        items = self.known.shell_complete(ctx, param, last)
        return [click.shell_completion.CompletionItem(f"{before}{comma}{i.value}") for i in items]


DATASETS = Names(declared_names(), "name")


def command(
    *,
    example: str,
    name: str | None = None,
    group: click.Group | None = None,
    cls: type[TopicCommand] = TopicCommand,
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command: its docstring the help, its faults one sentence each.

    Args:
        example: A command line that works, shown below the options.
        name: Of the command; by default the function's.
        group: The group that it belongs to, if any.
        cls: What kind of command it is.
    """

    def decorate(function: Callable[..., Any]) -> click.Command:
        make = click.command if group is None else group.command
        made: click.Command = make(name, cls=cls, example=example)(reports_errors(function))
        return made

    return decorate


def option(*names: str, topic: str = "Options", **arguments: Any) -> Callable[[Command], Command]:
    """Declare an option that is no setting; its default is shown by itself."""
    if "default_text" not in arguments and not arguments.get("is_flag"):
        arguments["default_text"] = str(arguments.get("default") or "none")
    return click.option(*names, cls=TopicOption, topic=topic, **arguments)


def store_argument(name: str) -> Callable[[Command], Command]:
    """Declare a store that is named by its place: a folder, a file or a URL."""
    return click.argument(name, type=click.Path())


def settings_of(
    settings: type[BaseModel],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a function the options of settings, and what was given of them as its first argument.

    Args:
        settings: The pydantic model; `{name: value}` of what was given goes to the function.
    """
    found = described(settings)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(**values: Any) -> Any:
            given: dict[str, Any] = {}
            for one in found:
                value = _read(one, values.pop(_key(one)))
                if value is not None:
                    _put(given, one.field, value)
            LOGGER.debug("settings that were given: %s", given)
            return function(given, **values)

        wrapped.__doc__, wrapped.__name__ = function.__doc__, function.__name__
        wrapped.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        for one in reversed(found):
            wrapped = _declare(one)(wrapped)
        return wrapped

    return decorate


def _key(one: Described) -> str:
    """Return the name of the keyword under which click passes a value."""
    return one.field.replace(".", "__")


def _put(given: dict[str, Any], field: str, value: Any) -> None:
    """Store a value; one of nested settings goes into theirs."""
    parent, _, name = field.rpartition(".")
    if parent:
        given[parent] = {**given.get(parent, {}), name: value}
    else:
        given[name] = value


def _declare(one: Described) -> Callable[[Any], Any]:
    """Make the click option, or argument, of a setting."""
    if one.option.is_argument:
        nargs = -1 if one.is_several else 1
        return click.argument(_key(one), nargs=nargs, required=one.is_required, type=_type(one))
    names = [one.name, *one.option.aliases, *([one.option.short] if one.option.short else [])]
    arguments: dict[str, Any] = {}
    if one.value is bool:
        names[0] += f"/{one.off}"
    else:
        is_several = one.is_several or one.is_mapping
        arguments = {"type": _type(one), "multiple": is_several, "metavar": _metavar(one)}
        if one.option.bare:
            arguments |= {"is_flag": False, "flag_value": one.option.bare}
    if not one.is_required:  # to click, a default of None is a value: nothing would be missing
        arguments["default"] = None
    return click.option(
        *names,
        _key(one),
        cls=TopicOption,
        topic=one.topic,
        hidden_names=one.option.aliases,
        default_text=one.default_text,
        is_joined=bool(one.option.joined),
        required=one.is_required,
        help=one.help,
        **arguments,
    )


def _type(one: Described) -> Any:
    if one.option.kind == "folder":
        return FOLDER
    if one.option.kind == "file":
        return FILE
    if one.option.kind == "dataset":
        return DATASETS
    if one.choices:
        return Names(one.choices) if one.option.joined else click.Choice(one.choices)
    if one.value is Path:
        return click.Path(path_type=Path)
    if one.is_several and one.option.joined:
        return str  # several numbers in one text, which the settings read
    return one.value if one.value in (int, float) else str


def _metavar(one: Described) -> str | None:
    return one.option.metavar or ("KEY=VALUE" if one.is_mapping else None)


def _read(one: Described, value: Any) -> Any:
    """Return a value as the settings take it; None where nothing was given."""
    if issubclass(one.value, Written):
        return one.value.from_text(value)
    if value is None or value == ():
        return None
    if one.is_mapping:
        files = [text for text in value if one.option.file and "=" not in text]
        from_files = {k: v for text in files for k, v in read_head_grid(Path(text)).items()}
        return from_files | key_values([text for text in value if text not in files], one.name)
    if one.is_several and one.option.joined and one.option.splits:
        return tuple(name.strip() for text in value for name in text.split(","))
    return value


def key_values(texts: Sequence[str], option: str) -> dict[str, Any]:
    """Read `KEY=VALUE` texts; values are read as YAML."""
    from tokser.yaml_file import parse_yaml

    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise SettingsError(
                f"{option} {text}", expected="KEY=VALUE", got=text, remedy="Write it so."
            )
        found[key] = parse_yaml(value, where=f"{option} {shortened(text)}")
    return found


def workspace_or_default(given: Path | None) -> Path:
    """Return the folder of stores, runs and results."""
    return given or Path(os.environ.get("TOKSER_HOME", "workspace"))


def threads_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that computes the option `--threads`, which holds while it runs."""

    @functools.wraps(function)
    def wrapped(*arguments: Any, threads: int | None, **values: Any) -> Any:
        with _threads(threads):
            return function(*arguments, **values)

    return click.option(
        "--threads",
        cls=TopicOption,
        topic="Computation",
        type=click.IntRange(min=1),
        metavar="N",
        envvar=VARIABLE,
        default_text="auto: the cores that affinity and cgroup quota leave to this process",
        help=f"CPU threads that compute at a time; {VARIABLE} is its default for every command.",
    )(wrapped)


def _threads(number: int | None) -> AbstractContextManager[None]:
    """Keep libraries to fewer threads than there are cores, where fewer may be used."""
    number = number or num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return nullcontext() if number == cores else use_threads(number)


def splits_option(default_text: str, more: str) -> Callable[[Command], Command]:
    """Declare parts of LibriSpeech: what applies without, and what the help adds."""
    return option(
        *("--split", "--splits", "splits"),
        topic="Corpus",
        multiple=True,
        hidden_names=("--splits",),
        default_text=default_text,
        help=f"Part of LibriSpeech, e.g. train-clean-100 (6.4 GB){more}.",
    )


places_option = option(
    "--corpora",
    "places",
    topic="Input",
    multiple=True,
    type=FOLDER,
    default_text="WORKSPACE/corpora, ./corpora and ./data",
    help="Folder of a corpus, or one that holds several.",
)
workspace_option = option(
    "--workspace",
    topic="Output",
    type=FOLDER,
    default_text="$TOKSER_HOME, else ./workspace",
    help="Folder of stores, runs and results.",
)
device_option = option(
    "--device",
    topic="Computation",
    default="auto",
    metavar="auto|cpu|cuda|cuda:N|mps",
    help="Device to compute on; auto: a GPU where there is one.",
)
json_option = option(
    "--json",
    "as_json",
    topic="Output",
    is_flag=True,
    help="Print one JSON object instead of tables.",
)
