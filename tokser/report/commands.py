"""The command lines that give the page's numbers again, from the settings that made them."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tokser.config import (
    ClassifySettings,
    GridSettings,
    PretrainSettings,
    RegressSettings,
    Settings,
)
from tokser.errors import SettingsError

__all__ = ["classify_command", "pretrain_command", "regress_command", "row_command"]

Kind = TypeVar("Kind", bound=Settings)

_GRID = {
    "batch_sizes": "batch_size",
    "learning_rates": "lr",
    "hidden": "hidden",
    "epochs": "epochs",
    "plateau_patience": "patience",
    "plateau_factor": "factor",
}
"""Keys of --grid, by setting."""
_EXPERIMENT = {
    "store": "--store",
    "protocols": "--protocol",
    "splits_file": "--splits",
    "num_folds": "--folds",
    "group_by": "--group-by",
    "stratify": "--stratify",
    "features": "--features",
    "functionals": "--functionals",
    "standardise": "--standardise",
    "seed": "--seed",
    "num_seeds": "--seeds",
    "out": "--out",
}
_PLACES = ("store", "out")
_NOT_TOLD = ("device", "resume", "options", "track", "store", "out")
"""Settings of pretraining that have no plain option, or do not change what comes out."""


def classify_command(settings: Mapping[str, Any], **changes: Any) -> str | None:
    """Write the `tokser classify` that settings stand for; those at their default are left out.

    Args:
        settings: As they stand in the provenance of a results folder.
        changes: Settings to change before.

    Returns:
        A command for a shell; None where the provenance tells no whole settings, or such as the
        command line cannot say (a choice among widths).
    """
    parsed = _parsed(ClassifySettings, {**settings, **changes})
    if parsed is None:
        return None
    words = ["tokser", "classify", *_words(parsed, {"classifiers": "--classifier"})]
    grid = _grid_words(parsed.grid)
    return None if grid is None else shlex.join(words + grid)


def regress_command(settings: Mapping[str, Any]) -> str | None:
    """Write the `tokser regress` that settings stand for; see `classify_command`."""
    parsed = _parsed(RegressSettings, settings)
    if parsed is None or parsed.grid != RegressSettings.model_fields["grid"].default:
        return None  # which only a pipeline can set
    own = {"targets": "--target", "regressors": "--regressor"}
    return shlex.join(["tokser", "regress", *_words(parsed, own)])


def row_command(
    settings: Mapping[str, Any], features: str, classifier: str, protocols: Sequence[str]
) -> str | None:
    """Write the command that gives one row of a table again, into a folder of its own."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{features}-{classifier}").strip("-")
    return classify_command(
        {key: value for key, value in settings.items() if key != "ledger"},
        features=(features,),
        classifiers=tuple(classifier.removeprefix("best(").removesuffix(")").split(", ")),
        protocols=() if settings.get("splits_file") else tuple(protocols),
        out=f"again/{slug}",
    )


def pretrain_command(settings: Mapping[str, Any]) -> str | None:
    """Write the `tokser pretrain` that settings stand for; see `classify_command`."""
    parsed = _parsed(PretrainSettings, settings)
    usual = PretrainSettings.model_fields["dev_fraction"].default
    if parsed is None or parsed.dev_fraction != usual:
        return None  # which only a pipeline can set
    words = ["tokser", "pretrain", "--store", parsed.store]
    for name, field in PretrainSettings.model_fields.items():
        value = getattr(parsed, name)
        if name in _NOT_TOLD or value == field.default:
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(_flag(option, on=value))
        else:
            words += [option, str(value)]
    for key, value in parsed.options.items():
        words += ["--option", f"{key}={value}"]
    return shlex.join([*words, "--out", str(parsed.out)])


def _parsed(kind: type[Kind], settings: Mapping[str, Any]) -> Kind | None:
    """Read settings as they stand in a provenance; None where they are no whole ones."""
    try:
        return kind.parse(settings, where="provenance")
    except SettingsError:
        return None


def _words(parsed: ClassifySettings | RegressSettings, own: Mapping[str, str]) -> list[str]:
    """Write the options that both commands share, and those of their own."""
    words = ["--dataset", parsed.dataset]
    for name, option in (_EXPERIMENT | dict(own)).items():
        value = getattr(parsed, name)
        if name not in _PLACES and value == type(parsed).model_fields[name].default:
            continue
        if isinstance(value, bool):
            words.append(_flag(option, on=value))
        else:
            words += [option, _joined(value, ", " if name == "features" else ",")]
    return words if parsed.refit else [*words, "--no-refit"]


def _grid_words(grid: GridSettings) -> list[str] | None:
    if grid.hidden and isinstance(grid.hidden[0], tuple):
        return None
    one_point = GridSettings(batch_sizes=(32,), learning_rates=(1e-3,))
    told = [
        f"{key}={_joined(getattr(grid, name), ',')}"
        for name, key in _GRID.items()
        if getattr(grid, name) != getattr(one_point, name)
    ]
    words = ["--grid", ",".join(told)] if told else []
    words += ["--class-weights"] if grid.class_weights else []
    return words + (["--early-stopping", str(grid.early_stopping)] if grid.early_stopping else [])


def _flag(option: str, *, on: bool) -> str:
    return option if on else f"--no-{option.removeprefix('--')}"


def _joined(value: Any, between: str) -> str:
    return between.join(map(str, value)) if isinstance(value, tuple) else str(value)
