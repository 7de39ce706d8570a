"""The pipeline file that makes the page's numbers again."""

from typing import Any

import yaml

from tokser.config import ReportSettings
from tokser.report.results import Inputs

__all__ = ["rerun_pipeline"]


def rerun_pipeline(settings: ReportSettings, inputs: Inputs) -> str:
    """Write the settings that stand in the folders' provenance as a file for `tokser run`.

    Args:
        settings: Settings of the page itself.
        inputs: The folders on the page.

    Returns:
        YAML that `tokser run` accepts; it expects the stores that the settings name.
    """
    pipeline: dict[str, Any] = {"name": "again"}
    stages = {
        "pretrain": [run.provenance.get("settings", run.settings) for run in inputs.runs],
        "classify": [folder.settings for folder in inputs.results],
        "regress": [folder.settings for folder in inputs.regressions],
    }
    pipeline |= {stage: told for stage, told in stages.items() if told}
    pipeline["report"] = settings.model_dump(mode="json")
    return str(yaml.safe_dump(pipeline, sort_keys=False, allow_unicode=True, width=88))
