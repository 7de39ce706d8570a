"""Whether a folder of results holds the score of the model that is to be fitted."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokser.checksummed_folder import INDEX, ChecksummedFolder
from tokser.config import ClassifySettings, RegressSettings
from tokser.config.head_grid import grid_of
from tokser.errors import DamagedFileError, InputError, MissingInputError, SettingsError, list_some
from tokser.experiments.dataset import ExperimentSettings
from tokser.provenance import STAMP_NAME, first_spelling, flattened

__all__ = ["require_matching"]

_OF_NETWORKS = ("mlp", "linear", "mlp-sklearn")
_WEIGHTED = ("logreg", "svm")


def require_matching(
    folder: Path, wanted: ExperimentSettings, head: str, inputs: Mapping[str, Any]
) -> None:
    """Raise, naming both sides, unless a folder holds results of what is to be fitted.

    Args:
        folder: A finished folder of `tokser classify` or `tokser regress`.
        wanted: The settings that would compute them.
        head: Name of the head.
        inputs: Identities of what they would be computed from.

    Raises:
        MissingInputError: There are no finished results.
        DamagedFileError: A file of them is damaged.
        SettingsError: They are of other features, rows, splits or training.
    """
    stamp = _read_stamp(folder)
    differences = []
    command = "classify" if isinstance(wanted, ClassifySettings) else "regress"
    if stamp["stage"] != command:
        differences.append(("command", command, str(stamp["stage"])))
    else:
        made = _settings_of(folder, stamp["settings"], type(wanted))
        ours, theirs = (_what_counts(one, wanted, head) for one in (wanted, made))
        differences += [
            (key, str(ours.get(key)), str(theirs.get(key)))
            for key in {**ours, **theirs}
            if ours.get(key) != theirs.get(key)
        ]
        differences += _unlike_inputs(inputs, stamp["inputs"])
        if head not in made.heads:
            differences.append(("head", head, ", ".join(made.heads)))
    if differences:
        raise SettingsError(
            f"--results {folder}",
            expected=list_some([f"{key} {ours}" for key, ours, _ in differences], most=8),
            got=list_some([f"{key} {theirs}" for key, _, theirs in differences], most=8),
            remedy="Name results of the same, or leave --results out: then they are computed.",
        )


def _read_stamp(folder: Path) -> dict[str, Any]:
    file = folder / STAMP_NAME
    if not file.is_file():
        raise MissingInputError(
            file,
            expected="finished results of `tokser classify` or `tokser regress`",
            got="no such file",
            remedy="Correct the path, or run the same command again to finish them.",
        )
    if ChecksummedFolder(folder).has_checksums:
        for name, fault in ChecksummedFolder(folder).faults().items():
            raise DamagedFileError(
                folder / name,
                expected=f"the file that was written, whose digest is in {INDEX}",
                got=f"one that {fault}",
                remedy="Run the command that made the folder again, which repairs it.",
            )
    try:
        content = dict(json.loads(file.read_bytes()))
        return {key: content[key] for key in ("stage", "settings", "inputs")}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            file,
            expected="what made the results",
            got=str(error),
            remedy="Run the command that made the folder again.",
        ) from error


def _settings_of(
    folder: Path, content: Mapping[str, Any], kind: type[ExperimentSettings]
) -> ExperimentSettings:
    where = f"{folder / STAMP_NAME}, settings"
    if kind is RegressSettings:
        return RegressSettings.parse(content, where=where)
    return ClassifySettings.parse(content, where=where)


def _what_counts(
    settings: ExperimentSettings, wanted: ExperimentSettings, head: str
) -> dict[str, Any]:
    """Return those settings that a model's score depends on, the grid written out."""
    names = ["dataset", "standardise", "refit"]
    if isinstance(wanted, RegressSettings):
        names.append("subset")
    if "kfold" in wanted.protocols:
        names += ["num_folds", "group_by"]
    if "random" in wanted.protocols:
        names.append("stratify")
    found = {name: getattr(settings, name, None) for name in names}
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    found["seed"] = wanted.seed if wanted.seed in seeds else settings.seed
    grid = settings.grid.model_dump()
    if head in _OF_NETWORKS:
        if head == "linear":
            del grid["hidden"]
        found |= flattened({"grid": grid})
    elif ":" in head:
        found["head_grid"] = grid_of(head, settings.head_grid)
        found["grid.class_weights"] = grid["class_weights"]
    elif head in _WEIGHTED:
        found["grid.class_weights"] = grid["class_weights"]
    return found


def _unlike_inputs(
    wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    names = {*wanted, *({"splits", "table_version"} & set(found))}
    return [
        (name, _short(wanted.get(name)), _short(found.get(name)))
        for name in sorted(names)
        if first_spelling(name, wanted.get(name)) != first_spelling(name, found.get(name))
    ]


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
