"""Reading a YAML file that users write: keys and values, or an error that says what is wrong."""

from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tokser.errors import MissingInputError, SettingsError

__all__ = ["read_yaml"]


def read_yaml(path: Path, *, kind: str, keys: str, example: str) -> dict[str, Any]:
    """Return the keys and values at the top of a file.

    Args:
        path: The file.
        kind: What it should be, for instance `a cluster file`.
        keys: What it should hold, for instance `kind, jobs and options`.
        example: One that comes with tokser, for instance `pipelines/clusters/slurm.yaml`.

    Raises:
        MissingInputError: There is no such file.
        SettingsError: It is no YAML, or holds something else.
    """
    if not path.is_file():
        raise MissingInputError(
            path,
            expected=kind,
            got="nothing",
            remedy=f"Correct the path, or copy one from {PurePosixPath(example).parent}.",
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(
            path, expected="YAML in UTF-8", got=str(error), remedy="Correct the named line."
        ) from error
    if not isinstance(content, dict):
        raise SettingsError(path, expected=keys, got=repr(content), remedy=f"See {example}.")
    return content
