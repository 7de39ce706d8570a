"""A declared pipeline: which stages run, on what, in one YAML file without code."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from tokser.config import (
    AlignSettings,
    ClassifySettings,
    ExtractSettings,
    PoolSettings,
    PretrainSettings,
    RegressSettings,
    ReportSettings,
    Settings,
    TransferSettings,
    TuneSettings,
)
from tokser.errors import MissingInputError, SettingsError, list_some, shortened
from tokser.shipped import shipped_file
from tokser.yaml_file import parse_yaml, read_yaml, require_few

__all__ = ["Pipeline", "load_pipeline"]

Scalar = str | int | float | bool | list[str | int | float] | None
_REFERENCE = re.compile(r"\$\{(\w+)\}")
_INDEX = re.compile(r"[0-9]{1,4}")
_MOST_LETTERS = 10_000
"""Of a value whose variables are put in."""


class Pipeline(Settings):
    """The stages of a pipeline, in the order in which they run.

    `variables` may be used anywhere below as `${name}`, and set with `--set name=value`.
    """

    name: str
    variables: dict[str, Scalar] = Field(default_factory=dict)
    extract: tuple[ExtractSettings, ...] = ()
    pretrain: tuple[PretrainSettings, ...] = ()
    align: tuple[AlignSettings, ...] = ()
    pool: tuple[PoolSettings, ...] = ()
    classify: tuple[ClassifySettings, ...] = ()
    transfer: tuple[TransferSettings, ...] = ()
    regress: tuple[RegressSettings, ...] = ()
    tune: tuple[TuneSettings, ...] = ()
    report: ReportSettings | None = None


def load_pipeline(path: Path, overrides: Sequence[str] = ()) -> Pipeline:
    """Read a pipeline file, put in the overrides and the variables, and check it.

    Args:
        path: The YAML file.
        overrides: `key=value` each; the key is a variable, or a place such as
            `classify.0.grid.epochs`; the value is read as YAML.

    Raises:
        MissingInputError: There is no such file.
        SettingsError: It is no YAML, a key or variable is unknown, or a value is wrong.
    """
    path = _found(path)
    content = read_yaml(
        path, kind="a pipeline file", keys="stages by name", example="pipelines/demo.yaml"
    )
    for override in overrides:
        _override(content, override)
    variables = content.get("variables") or {}
    if not isinstance(variables, dict):
        raise SettingsError(
            f"{path}, variables",
            expected="values by name",
            got=shortened(repr(variables)),
            remedy="Write `name: value` below it, or nothing.",
        )
    for name, value in variables.items():
        if isinstance(value, str) and _REFERENCE.search(value):
            raise SettingsError(
                f"{path}, variable {name}",
                expected="a value without references",
                got=value,
                remedy="Write the value out: variables cannot refer to each other.",
            )
    stages = {key: value for key, value in content.items() if key != "variables"}
    filled = _fill(stages, variables, where=str(path))
    require_few(filled, where=path)
    return Pipeline.parse(filled | {"variables": variables}, where=str(path))


def _found(path: Path) -> Path:
    """Return the file itself, or the one of its name that comes with tokser."""
    if path.is_file():
        return path
    if path.parent in (Path(), Path("pipelines")):
        try:
            return shipped_file("pipelines", path.name)
        except MissingInputError:
            pass
    names = sorted(
        file.name for file in shipped_file("pipelines", "demo.yaml").parent.glob("*.yaml")
    )
    raise MissingInputError(
        path,
        expected="a pipeline file",
        got="nothing",
        remedy=f"Correct the path, or name one that comes with tokser: {', '.join(names)}.",
    )


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise _unknown(f"--set {override}", "key=value", override, ())
    value = parse_yaml(text, where=f"--set {shortened(override)}") if text else ""
    variables = content.get("variables")
    if isinstance(variables, dict) and key in variables:
        variables[key] = value
        return
    *parents, last = key.split(".")
    place: Any = content
    for parent in parents:
        place = _step(place, parent, override)
    if isinstance(place, list):
        _step(place, last, override)
        place[int(last)] = value
    elif not parents and last not in content:
        known = [*(variables or {}), *content]
        raise _unknown(f"--set {override}", "a variable or a stage of the pipeline", key, known)
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise _unknown(f"--set {override}", "a place in the pipeline", last, ())


def _step(place: Any, key: str, override: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(key, {})
    if isinstance(place, list) and _INDEX.fullmatch(key) and int(key) < len(place):
        return place[int(key)]
    raise _unknown(f"--set {override}", "a place in the pipeline", key, ())


def _fill(value: Any, variables: Mapping[str, Any], *, where: str) -> Any:
    """Replace `${name}`; a value that is nothing else keeps the variable's type."""
    if isinstance(value, dict):
        return {key: _fill(item, variables, where=where) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, variables, where=where) for item in value]
    if not isinstance(value, str):
        return value
    for name in _REFERENCE.findall(value):
        if name not in variables:
            raise _unknown(where, "a variable that is declared", "${" + name + "}", list(variables))
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return variables[whole[1]]
    if sum(len(str(variables[name])) for name in _REFERENCE.findall(value)) > _MOST_LETTERS:
        raise SettingsError(
            where,
            expected=f"values of at most {_MOST_LETTERS:,} characters",
            got=f"more, where variables are put into {shortened(value, 80)}",
            remedy="Shorten the variables.",
        )
    return _REFERENCE.sub(lambda found: str(variables[found[1]]), value)


def _unknown(where: str, expected: str, got: str, known: Sequence[str]) -> SettingsError:
    near = difflib.get_close_matches(got[:100], known, n=1, cutoff=0.5)
    remedy = (
        f"The nearest known one is {near[0]!r}."
        if near
        else f"Known ones: {list_some(known, most=20) or 'none'}."
    )
    return SettingsError(
        shortened(where), expected=expected, got=shortened(repr(got)), remedy=remedy
    )
