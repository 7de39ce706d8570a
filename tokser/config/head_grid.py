"""The grid of a head that is a class of another package: values by parameter, from YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from tokser.config.option import Option

__all__ = ["HeadGrid", "grid_of", "read_head_grid"]


def read_head_grid(path: Path) -> dict[str, Any]:
    """Read a file of parameters, each with a value or a list of values that are tried.

    Raises:
        MissingInputError: There is no such file.
        SettingsError: It is no YAML, or holds something else.
    """
    from tokser.yaml_file import read_yaml  # few commands get such a file

    return read_yaml(
        path,
        kind="a YAML file with values by parameter",
        keys="values by parameter, such as `n_estimators: [100, 300]`",
        example="docs/classification.md",
    )


def _from_file(value: Any) -> Any:
    return read_head_grid(Path(value)) if isinstance(value, str | Path) else value


HeadGrid = Annotated[
    dict[str, Any],
    BeforeValidator(_from_file),
    Option(metavar="FILE.yaml|PARAMETER=VALUES", unset="the class's own defaults", file=True),
]
"""Values by parameter; or, for several heads, such values by head. A list is tried, anything else
is fixed."""


def grid_of(head: str, grid: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a grid that is one head's: what stands under its name, or all of it."""
    own = grid.get(head)
    if isinstance(own, Mapping):
        return dict(own)
    return {key: value for key, value in grid.items() if ":" not in key}
