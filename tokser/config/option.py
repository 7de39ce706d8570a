"""How a setting is written on the command line: declared beside the setting, read both ways.

`tokser.cli` makes click options of it, and `command_words` writes settings as the command that
stands for them. Most of it follows from the field: `batch_size: int = 64` is `--batch-size`, its
docstring the help text, 64 the default. An `Option` beside the type says what does not follow.
"""

import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = ["Described", "Option", "Written", "command_words", "described", "option_of"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """What does not follow from a setting's name, type and default.

    Attributes:
        name: Long name; by default the field's, with dashes.
        short: One letter, such as `-o`.
        aliases: Earlier and longer spellings: understood, not shown.
        off: Name that switches a setting off; by default `--no-NAME`.
        metavar: Stands for the value in the help text.
        kind: What the shell completes: files, folders, or names of corpora.
        unset: What applies if nothing is given, in words, if the default does not say it; begins
            with `auto` if it is found at run time.
        joined: What stands between several values in one text; empty: the option is repeated.
        splits: Whether such a text is split at commas here, or parsed later.
        bare: Value that the option stands for when it is given without one.
        given: Value that a command line uses if nothing is given; a pipeline does not.
        key: Key within the option of the enclosing settings, such as `lr` within `--grid`.
        alone: Whether a setting of nested settings is an option of its own, too.
        is_argument: Whether it is named by its place alone, without an option.
        shown: Whether there is an option at all.
        file: Whether a text without `=` is a file with values by key.
    """

    name: str = ""
    short: str = ""
    aliases: tuple[str, ...] = ()
    off: str = ""
    metavar: str = ""
    kind: Literal["", "file", "folder", "dataset"] = ""
    unset: str = ""
    joined: str = ""
    splits: bool = True
    bare: str = ""
    given: str = ""
    key: str = ""
    alone: bool = False
    is_argument: bool = False
    shown: bool = True
    file: bool = False


@dataclass(frozen=True)
class Described:
    """A setting as an option.

    Attributes:
        field: Name of the setting; that of a nested one has a dot.
        option: How it is written.
        name: Long name, `--batch-size`.
        off: Name that switches it off; empty where it is no switch.
        topic: Heading under which the help shows it.
        help: What it does, with its unit.
        value: Type of one value: bool, int, float, Path, str, or nested settings.
        choices: Names that a value may have; empty: any.
        is_several: Whether it has several values.
        is_mapping: Whether it has values by key.
        is_required: Whether it has no default.
        default: The setting's own; None where it has none, or settings within.
    """

    field: str
    option: Option
    name: str
    off: str
    topic: str
    help: str
    value: type
    choices: tuple[str, ...]
    is_several: bool
    is_mapping: bool
    is_required: bool
    default: Any

    @property
    def default_text(self) -> str:
        """Return what applies if nothing is given; empty if something must be."""
        if self.option.given:
            return self.option.given
        if self.option.unset:
            return self.option.unset
        if self.is_required:
            return ""
        if self.value is bool:
            return self.name if self.default else self.off
        if self.default in (None, (), "", {}):
            return "none"
        if self.is_several:
            return (self.option.joined or ", ").join(map(str, self.default))
        return f"{self.default:g}" if self.value is float else str(self.default)


@runtime_checkable
class Written(Protocol):
    """Settings within settings that one text of the command line stands for."""

    @classmethod
    def from_text(cls, text: str | None) -> dict[str, Any]:
        """Return the settings that a text stands for, or the default ones."""

    def to_text(self) -> str:
        """Return the text; empty for what a command line takes where nothing is given."""


def described(settings: type[BaseModel]) -> list[Described]:
    """Return the options of settings, in the order of their topics."""
    topics: Mapping[str, tuple[str, ...]] = getattr(settings, "TOPICS", {})
    topic_of = {name: topic for topic, names in topics.items() for name in names}
    found = {one.field: one for one in _fields(settings, "", topic_of)}
    order = [name for name in topic_of if name in found]
    return [found[name] for name in [*order, *(name for name in found if name not in topic_of)]]


def _fields(
    settings: type[BaseModel], prefix: str, topic_of: Mapping[str, str]
) -> Iterator[Described]:
    for name, info in settings.model_fields.items():
        option = option_of(info)
        path = f"{prefix}{name}"
        nested = _nested(info.annotation)
        if option.shown and (not prefix or option.alone):
            yield _described(path, info, option, topic_of.get(path, "Options"))
        if nested is not None:
            yield from _fields(nested, f"{path}.", topic_of)


def option_of(info: FieldInfo) -> Option:
    """Return what is declared of a setting beside its type; what is declared last, where twice."""
    return next((one for one in reversed(info.metadata) if isinstance(one, Option)), Option())


def _described(path: str, info: FieldInfo, option: Option, topic: str) -> Described:
    long = option.name or f"--{path.rpartition('.')[2].replace('_', '-')}"
    value, choices, is_several = _value(info.annotation)
    off = option.off or f"--no-{long.removeprefix('--')}" if value is bool else ""
    is_required = info.is_required() and not option.unset
    has_none = info.is_required() or _nested(info.annotation) is not None  # no plain default
    default = None if has_none else info.get_default(call_default_factory=True)
    return Described(
        field=path,
        option=option,
        name=long,
        off=off,
        topic=topic,
        help=" ".join((info.description or "").split()).replace("`", ""),
        value=value,
        choices=choices,
        is_several=is_several,
        is_mapping=typing.get_origin(info.annotation) is dict,
        is_required=is_required,
        default=default,
    )


def _nested(annotation: Any) -> type[BaseModel] | None:
    is_settings = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_settings else None


def _value(annotation: Any) -> tuple[type, tuple[str, ...], bool]:
    """Return the type of one value, its choices, and whether there are several."""
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _value(arguments[0])
    if origin is Literal:
        return str, tuple(map(str, arguments)), False
    if origin in (typing.Union, types.UnionType):
        several = [one for one in arguments if typing.get_origin(one) is tuple]
        if several:  # one, or several
            return _value(several[0])
        return _value(next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        return *_value(arguments[0])[:2], True
    is_known = annotation in (bool, int, float, Path) or _nested(annotation) is not None
    return annotation if is_known else str, (), False


def command_words(settings: BaseModel, *, without: tuple[str, ...] = ()) -> list[str]:
    """Write settings as options of their command; what is at its default is left out.

    Args:
        settings: The settings.
        without: Names of settings that are not written.
    """
    words: list[str] = []
    for one in described(type(settings)):
        if one.field.partition(".")[0] in without:
            continue
        value = _value_at(settings, one.field)
        if isinstance(value, Written):
            text = value.to_text()
            words += [one.name, text] if text else []
        elif one.is_required or value != one.default:
            words += _words(one, value)
    return words


def _words(one: Described, value: Any) -> list[str]:
    if one.option.is_argument:
        return [str(item) for item in value] if one.is_several else [str(value)]
    if one.value is bool:
        return [one.name if value else one.off]
    if one.is_mapping:
        pairs = [(key, _as_yaml(item)) for key, item in value.items()]
        return [word for key, item in pairs for word in (one.name, f"{key}={item}")]
    if not one.is_several or isinstance(value, str):
        return [one.name, str(value)]
    if one.option.joined:
        return [one.name, one.option.joined.join(map(str, value))] if value else []
    return [word for item in value for word in (one.name, str(item))]


def _as_yaml(value: Any) -> str:
    """Write a value so that YAML on one line reads it again."""
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if is_plain else json.dumps(value)


def _value_at(settings: BaseModel, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value
