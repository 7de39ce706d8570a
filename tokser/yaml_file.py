"""YAML that users write: keys and values, or an error that says what is wrong.

A few hundred bytes of YAML can stand for gigabytes (aliases of aliases), or be nested deeper than
Python reads. What a text stands for is counted before anything is built of it.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tokser.errors import MissingInputError, SettingsError, shortened

__all__ = ["Place", "parse_yaml", "read_located_yaml", "read_yaml", "require_few"]

Place = tuple[str | int, ...]
"""Where a value stands: the keys, and numbers within lists, that lead to it."""

MOST_BYTES = 1_000_000
"""Of a file."""

MOST_NODES = 5_000
"""Values, lists and mappings that a text stands for, with each alias written out."""

MOST_DEPTH = 50
"""Lists and mappings within each other."""

_FAULTS = (yaml.YAMLError, ValueError, KeyError, IndexError, AttributeError, TypeError)
"""What PyYAML raises; all but the first for a value that its tag does not fit (`!!int x`)."""


def read_yaml(path: Path, *, kind: str, keys: str, example: str) -> dict[str, Any]:
    """Return the keys and values at the top of a file.

    Args:
        path: The file.
        kind: What it should be, for instance `a cluster file`.
        keys: What it should hold, for instance `kind, jobs and options`.
        example: One that comes with tokser, for instance `pipelines/clusters/slurm.yaml`.

    Raises:
        MissingInputError: There is no such file.
        SettingsError: It is no YAML, stands for too much, or holds something else.
    """
    text = _read_text(path, kind=kind, example=example)
    content = parse_yaml(text, where=path, remedy="Correct the named line.")
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        got = shortened(repr(content))
        raise SettingsError(path, expected=keys, got=got, remedy=f"See {example}.")
    return content


def read_located_yaml(
    path: Path, *, kind: str, keys: str, example: str
) -> tuple[dict[str, Any], dict[Place, int]]:
    """Return the keys and texts of a file as they are written, and the line of each.

    Every value is text: `01` stays `01`, and `no` is no truth value.

    Args:
        path: As `read_yaml`.
        kind: As `read_yaml`.
        keys: As `read_yaml`.
        example: As `read_yaml`.

    Raises:
        MissingInputError: As `read_yaml`.
        SettingsError: As `read_yaml`, or a key stands twice in one mapping.
    """
    text = _read_text(path, kind=kind, example=example)
    try:
        _refuse_large(text, path)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except _FAULTS as error:
        if isinstance(error, SettingsError):
            raise
        raise _wrong(path, shortened(str(error)), "Correct the named line.") from error
    if not isinstance(node, yaml.MappingNode):
        got = shortened(" ".join(text.split()), 100) or "nothing"
        raise SettingsError(path, expected=keys, got=got, remedy=f"See {example}.")
    lines: dict[Place, int] = {}
    content: dict[str, Any] = _texts_of(node, (), lines, path)
    return content, lines


def _texts_of(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path) -> Any:
    """Return what a node holds, and note on which line each of its keys and items stands."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_texts_of(one, (*place, i), lines, path) for i, one in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is None or name in found:
            got = "a key that is no text" if name is None else f"key {name!r} twice"
            raise _wrong(path, f"line {line}: {got}", "Correct the named line.")
        lines[(*place, name)] = line
        found[name] = _texts_of(value, (*place, name), lines, path)
    return found


def parse_yaml(text: str, *, where: object, remedy: str = "Correct the value.") -> Any:
    """Return what a text says.

    Args:
        text: YAML, of plain values alone.
        where: What the user would look at to correct it.
        remedy: How.

    Raises:
        SettingsError: It is no YAML, or stands for more than anybody writes.
    """
    try:
        _refuse_large(text, where)
        return yaml.safe_load(text)
    except _FAULTS as error:
        if isinstance(error, SettingsError):
            raise
        raise _wrong(where, shortened(str(error)), remedy) from error


def _read_text(path: Path, *, kind: str, example: str) -> str:
    if not path.is_file():
        raise MissingInputError(
            path,
            expected=kind,
            got="nothing",
            remedy=f"Correct the path, or copy one from {PurePosixPath(example).parent}.",
        )
    if path.stat().st_size > MOST_BYTES:
        raise SettingsError(
            path,
            expected=f"{kind} of at most {MOST_BYTES:,} bytes",
            got=f"{path.stat().st_size:,}",
            remedy=f"See {example}.",
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(path, str(error), "Correct the named line.") from error


def require_few(value: Any, *, where: object) -> None:
    """Raise `SettingsError` if nested lists and mappings hold more than a text may stand for."""
    num_nodes, rest = 0, [value]
    while rest:
        num_nodes += 1
        node = rest.pop()
        if isinstance(node, dict):
            rest.extend(node.values())
        elif isinstance(node, list):
            rest.extend(node)
        if num_nodes > MOST_NODES:
            raise _too_many(where)


def _refuse_large(text: str, where: object) -> None:
    """Raise if a text is nested too deep, or too long with its aliases written out."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and number of nodes before it
    num_nodes = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = num_nodes - before
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                got = f"*{event.anchor}, which stands for itself or for nothing"
                raise _wrong(where, got, "Name an anchor that stands above.")
            num_nodes += sizes[event.anchor]
        else:
            num_nodes += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, num_nodes - 1))
            elif event.anchor is not None:
                sizes[event.anchor] = 1
        if num_nodes > MOST_NODES:
            raise _too_many(where)
        if len(open_nodes) > MOST_DEPTH:
            got = f"one nested more than {MOST_DEPTH} deep"
            raise _wrong(where, got, "Close the brackets.")


def _too_many(where: object) -> SettingsError:
    got = f"one that stands for more than {MOST_NODES:,} values"
    return _wrong(where, got, "Write less, and no aliases of aliases.")


def _wrong(where: object, got: str, remedy: str) -> SettingsError:
    return SettingsError(where, expected="YAML in UTF-8", got=got, remedy=remedy)
