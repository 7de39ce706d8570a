"""Settings from keywords of Python, under the names that settings or options have."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from tokser.config.base import Settings
from tokser.config.option import Described, Written, described
from tokser.errors import SettingsError, shortened

__all__ = ["settings_from"]

SomeSettings = TypeVar("SomeSettings", bound=Settings)


def settings_from(
    settings: type[SomeSettings], keywords: Mapping[str, Any], *, where: str
) -> SomeSettings:
    """Read keywords as the command line reads its options.

    A keyword is the name of a setting (`protocols`) or of its option (`protocol`); one text stands
    for several values as it does there (`"random,speaker"`). None is what applies without.

    Args:
        settings: The settings of a command.
        keywords: Values by name.
        where: What the user called, for instance `tokser.classify`.

    Raises:
        SettingsError: A keyword is unknown (the nearest known one is named), one setting has two,
            or a value is wrong.
    """
    by_name = _names(settings)
    found: dict[str, Any] = {}
    for keyword, value in keywords.items():
        one = by_name.get(keyword)
        if one is None:
            raise _unknown(keyword, by_name, where)
        if value is None:
            continue
        parent, _, name = one.field.rpartition(".")
        place = found.setdefault(parent, {}) if parent else found
        if name in place and not isinstance(place[name], dict):
            raise SettingsError(
                f"{where}, {keyword}",
                expected="each setting once",
                got=f"{name} under two names",
                remedy=f"Leave one of them out; the name of the setting is {name}.",
            )
        read = _read(one, value)
        is_nested = isinstance(read, Mapping) and isinstance(place.get(name), dict)
        place[name] = {**read, **place[name]} if is_nested else read
    for one in described(settings):
        if issubclass(one.value, Written):
            given = found.get(one.field, {})
            is_text = one.field in keywords and keywords[one.field] is not None
            found[one.field] = given if is_text else {**one.value.from_text(None), **given}
    try:
        return settings.parse(found, where=where)
    except SettingsError as error:
        raise error from None  # the sentence says it all, and a notebook shows every cause


def _names(settings: type[Settings]) -> dict[str, Described]:
    """Return the settings by every name that a keyword may have."""
    found: dict[str, Described] = {}
    for one in described(settings):
        for name in _names_of(one):
            found.setdefault(name, one)
    return found | {one.field: one for one in described(settings) if "." not in one.field}


def _names_of(one: Described) -> Iterator[str]:
    yield one.field.rpartition(".")[2]
    for name in (one.name, *one.option.aliases):
        yield name.removeprefix("--").replace("-", "_")


def _read(one: Described, value: Any) -> Any:
    if issubclass(one.value, Written) and isinstance(value, str):
        return one.value.from_text(value)
    if isinstance(value, PurePath):
        value = str(value)
    if not one.is_several:
        return value
    if isinstance(value, str) and one.option.joined and one.option.splits:
        return tuple(name.strip() for name in value.split(","))
    is_one = isinstance(value, str) or not hasattr(value, "__iter__")
    values = (value,) if is_one else tuple(value)
    return tuple(str(item) if isinstance(item, PurePath) else item for item in values)


def _unknown(keyword: str, known: Mapping[str, Described], where: str) -> SettingsError:
    near = difflib.get_close_matches(keyword[:100], known, n=1, cutoff=0.0)
    nearest = f" (nearest known keyword: {near[0]!r})" if near else ""
    return SettingsError(
        where,
        expected="keywords that are settings of the command",
        got=f"unknown keyword {shortened(keyword)!r}{nearest}",
        remedy=f"help({where}) lists them.",
    )
