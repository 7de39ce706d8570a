"""Where experiments read and write, if nothing else is said: folders of the workspace."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokser.cli.options import workspace_or_default
from tokser.cli.output import tell

__all__ = ["experiment_places", "joined_places"]


def experiment_places(
    given: Mapping[str, Any], workspace: Path | None, suffix: str
) -> dict[str, Any]:
    """Return the settings of an experiment, with the store and the folder that were not named.

    Args:
        given: What the command line says.
        workspace: Folder of stores and results; None: the default one.
        suffix: Of the results' folder, behind the name of the dataset.
    """
    settings = dict(given)
    home = workspace_or_default(workspace)
    if "store" not in settings:
        settings["store"] = str(home / "stores" / f"{settings['dataset']}.zarr")
        tell(f"store: {settings['store']}", err=True)
    settings.setdefault("out", home / "results" / f"{settings['dataset']}{suffix}")
    if settings.get("features") == ("all",):
        del settings["features"]
    return settings


def joined_places(given: Mapping[str, Any], workspace: Path | None) -> dict[str, Any]:
    """Return the settings of an experiment on several stores, with the names that were not given.

    Args:
        given: What the command line says.
        workspace: Folder of results; None: the default one.

    Raises:
        SettingsError: There are fewer than two stores.
    """
    from tokser.experiments.joined_store import open_stores, require_several

    settings = dict(given)
    require_several(settings.get("store", ()))
    if "dataset" not in settings:
        settings["dataset"] = open_stores(settings["store"]).dataset
    home = workspace_or_default(workspace)
    settings.setdefault("out", home / "results" / settings.get("dataset", ""))
    if settings.get("features") == ("all",):
        del settings["features"]
    return settings
