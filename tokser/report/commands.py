"""The command lines that reproduce the numbers on the page, from the settings in provenance."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tokser import config
from tokser.config.option import command_words
from tokser.errors import SettingsError
from tokser.experiments.results import TaskTables
from tokser.provenance import Stamp
from tokser.report.scores import Configuration

__all__ = ["command_of", "row_command", "stage_of"]

_SETTINGS: Mapping[str, Callable[[], type[config.Settings]]] = {
    "classify": lambda: config.ClassifySettings,
    "regress": lambda: config.RegressSettings,
    "pretrain": lambda: config.PretrainSettings,
    "transfer": lambda: config.TransferSettings,
    "tune": lambda: config.TuneSettings,
    "probe": lambda: config.ProbeSettings,
    "similarity": lambda: config.SimilaritySettings,
    "labels": lambda: config.LabelsSettings,
    "scaling": lambda: config.ScalingSettings,
}
"""Settings of a command, defined when they are asked for: scores on a terminal need none."""
TUNED = "tuned-"
"""How heads are called in tables that were tuned with an encoder's blocks."""
_NOT_WRITTEN = tuple(sorted(Stamp.PLACES - {"store", "out", "by", "age_bands"}))
"""Settings that do not change what comes out."""


def command_of(name: str, settings: Mapping[str, Any]) -> str | None:
    """Write the command of some settings; those at their default are left out.

    Args:
        name: `classify`, `transfer`, `regress`, `tune`, `pretrain`, or that of a study.
        settings: As in the provenance of its output folder.

    Returns:
        A command for a shell; None where the provenance has no complete settings, or such as the
        command line has no option for (a choice among widths).
    """
    try:
        parsed = _SETTINGS[name]().parse(settings, where="provenance")
        words = command_words(parsed, without=_NOT_WRITTEN)
    except SettingsError:
        return None
    return shlex.join(["tokser", name, *words])


def stage_of(tables: TaskTables, settings: Mapping[str, Any]) -> str:
    """Return the command that made a folder of results.

    `tune` alone names a source, `transfer` alone says what corpora are standardised by.
    """
    if "standardise_by" in settings:
        return "transfer"
    return "tune" if "source" in settings else tables.command


def row_command(
    tables: TaskTables,
    settings: Mapping[str, Any],
    target: str,
    row: Configuration,
    protocols: Iterable[str],
) -> str | None:
    """Write the command that makes one row of a table again, in its own folder."""
    stage = stage_of(tables, settings)
    heads = re.sub(r"^(best|mean|weighted)\((.*)\)$", r"\2", row.classifier).split(", ")
    names = {"features": (row.features,), f"{tables.head}s": tuple(heads)}
    if stage == "tune":
        names = {"heads": tuple(name.removeprefix(TUNED) for name in heads)}
    changes: dict[str, Any] = {
        **names,
        "protocols": () if settings.get("splits_file") or stage == "transfer" else tuple(protocols),
    }
    changes |= {"targets": (target,)} if target else {}
    parts = filter(None, (row.features, row.classifier, target))
    slug = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(parts)).strip("-")
    kept = {key: value for key, value in settings.items() if key != "ledger"}
    return command_of(stage, kept | changes | {"out": f"again/{slug}"})
