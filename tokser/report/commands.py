"""The command lines that give the page's numbers again, from the settings that made them."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tokser.config import ClassifySettings, PretrainSettings, RegressSettings, Settings
from tokser.config.option import command_words
from tokser.errors import SettingsError
from tokser.provenance import Stamp

__all__ = ["classify_command", "pretrain_command", "regress_command", "row_command"]

_NOT_WRITTEN = tuple(sorted(Stamp.PLACES - {"store", "out"}))
"""Settings that do not change what comes out."""


def classify_command(settings: Mapping[str, Any], **changes: Any) -> str | None:
    """Write the `tokser classify` that settings stand for; those at their default are left out.

    Args:
        settings: As they stand in the provenance of a results folder.
        changes: Settings to change before.

    Returns:
        A command for a shell; None where the provenance has no complete settings, or such as
        no command line stands for (a choice among widths).
    """
    return _command("classify", ClassifySettings, {**settings, **changes})


def regress_command(settings: Mapping[str, Any]) -> str | None:
    """Write the `tokser regress` that settings stand for; see `classify_command`."""
    return _command("regress", RegressSettings, settings)


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
    return _command("pretrain", PretrainSettings, settings)


def _command(name: str, kind: type[Settings], settings: Mapping[str, Any]) -> str | None:
    """Write a command by the same declarations that its options are made of."""
    try:
        parsed = kind.parse(settings, where="provenance")
        words = command_words(parsed, without=_NOT_WRITTEN)
    except SettingsError:
        return None
    return shlex.join(["tokser", name, *words])
