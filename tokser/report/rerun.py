"""The pipeline file that makes the page's numbers again."""

from collections.abc import Sequence
from typing import Any

import yaml

from tokser.config import ReportSettings
from tokser.report.results import Results, Run

__all__ = ["rerun_pipeline"]


def rerun_pipeline(
    settings: ReportSettings, results: Sequence[Results], runs: Sequence[Run]
) -> str:
    """Write the settings that stand in the folders' provenance as a file for `tokser run`.

    Args:
        settings: Settings of the page itself.
        results: The folders on the page.
        runs: The runs on the page.

    Returns:
        YAML that `tokser run` accepts; it expects the stores that the settings name.
    """
    pipeline: dict[str, Any] = {"name": "again"}
    if runs:
        pipeline["pretrain"] = [run.provenance.get("settings", run.settings) for run in runs]
    pipeline["classify"] = [folder.provenance.get("settings", {}) for folder in results]
    pipeline["report"] = settings.model_dump(mode="json")
    return str(yaml.safe_dump(pipeline, sort_keys=False, allow_unicode=True, width=88))
