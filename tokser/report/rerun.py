"""The pipeline file that makes the page's numbers again."""

from typing import Any

import yaml

from tokser.config import ReportSettings
from tokser.report.commands import stage_of
from tokser.report.inputs import Inputs

__all__ = ["rerun_pipeline"]


def rerun_pipeline(settings: ReportSettings, inputs: Inputs) -> str:
    """Write the settings in the folders' provenance as a file for `tokser run`.

    Args:
        settings: Settings of the page itself.
        inputs: The folders on the page.

    Returns:
        YAML that `tokser run` accepts; it expects the stores that the settings name.
    """
    pipeline: dict[str, Any] = {"name": "again"}
    if inputs.runs:
        settings_of_runs = [run.provenance.get("settings", run.settings) for run in inputs.runs]
        pipeline["pretrain"] = settings_of_runs
    for folder in inputs.experiments:
        pipeline.setdefault(stage_of(folder.tables, folder.settings), []).append(folder.settings)
    pipeline["report"] = settings.model_dump(mode="json")
    return str(yaml.safe_dump(pipeline, sort_keys=False, allow_unicode=True, width=88))
