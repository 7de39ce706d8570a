"""The base of all settings: typed, frozen, strict; every fault of them named at once."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tokser.errors import SettingsError, shortened

__all__ = ["FORMER_PROTOCOLS", "PROTOCOL_ALIASES", "VARIANT_ALIASES", "Settings"]

VARIANT_ALIASES = {"report": "paper"}
"""Former names of aligner variants; settings have the present name."""

PROTOCOL_ALIASES = {"loso": "speaker"}
"""Other names of protocols; settings have the second name."""
FORMER_PROTOCOLS = {"report": "random"}
"""What protocols were called in earlier versions: options, pipelines, files of splits and tables of
results that say so are read."""
_MOST_FAULTS = 20
"""Faults of settings that one message names."""


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values never change.

    Attributes:
        FORMER_NAMES: Present names of settings by the names that they had before.
    """

    # A validator is made when the first values come: `--help` and settings within others need none.
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True
    )
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _present_names(cls, values: Any) -> Any:
        """Read settings under their former names, unless the present ones are there, too."""
        if not isinstance(values, Mapping):
            return values
        present = {cls.FORMER_NAMES.get(key, key): key for key in values}
        is_clear = len(present) == len(values)
        return {new: values[old] for new, old in present.items()} if is_clear else values

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, where: str) -> Self:
        """Check `values`, and name all their faults at once.

        Args:
            values: Settings by name.
            where: What the user would look at to correct them, for instance a file's name.

        Raises:
            SettingsError: A key is unknown (the nearest known one is named) or a value is wrong.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            found = _without_consequences(error.errors())
            faults = [cls._describe(fault) for fault in found[:_MOST_FAULTS]]
            if len(found) > _MOST_FAULTS:
                faults.append(f"and {len(found) - _MOST_FAULTS:,} more faults")
            raise SettingsError(
                where,
                expected="settings that are known, with values that are allowed",
                got="; ".join(dict.fromkeys(faults)),
                remedy="Correct the named settings.",
            ) from error

    @classmethod
    def _describe(cls, fault: Mapping[str, Any]) -> str:
        key = shortened(".".join(str(part) for part in fault["loc"]))
        if fault["type"] == "literal_error":
            return _describe_name(key, fault)
        if fault["type"] != "extra_forbidden":
            return f"{key} = {shortened(repr(fault['input']))}: {fault['msg']}"
        known = _known_keys(cls, fault["loc"][:-1])
        near = difflib.get_close_matches(str(fault["loc"][-1])[:100], known, n=1, cutoff=0.0)
        return (
            f"unknown key {key!r} (nearest known key: {near[0]!r})" if near else f"unknown {key!r}"
        )


def _without_consequences(faults: Sequence[Any]) -> list[Any]:
    """Leave out that a tuple is too short without its elements that have a fault of their own."""
    within = {fault["loc"][:-1] for fault in faults}
    return [one for one in faults if one["type"] != "too_short" or one["loc"] not in within]


def _describe_name(key: str, fault: Mapping[str, Any]) -> str:
    """Say which names a setting of a few fixed ones has, the nearest first."""
    known = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
    are_protocols = {*PROTOCOL_ALIASES.values(), *FORMER_PROTOCOLS.values()} <= set(known)
    names = [*known, *PROTOCOL_ALIASES] if are_protocols else known
    given = str(fault["input"])[:100]
    near = difflib.get_close_matches(given.lower().strip(), names, n=1, cutoff=0.5)
    nearest = f"; nearest known: {near[0]!r}" if near else ""
    return (
        f"{key} = {shortened(repr(fault['input']))}, which is none of {', '.join(names)}{nearest}"
    )


def _known_keys(settings: type[BaseModel], parents: tuple[Any, ...]) -> list[str]:
    """List the keys that settings, or those nested in them under `parents`, do have."""
    for parent in parents:
        if parent in settings.model_fields:
            inner = _nested(settings.model_fields[parent].annotation)
            if inner is None:
                return []
            settings = inner
    return list(settings.model_fields)


def _nested(annotation: Any) -> type[BaseModel] | None:
    """Find the settings class within an annotation such as `tuple[X, ...]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _nested(argument)
        if found is not None:
            return found
    return None
