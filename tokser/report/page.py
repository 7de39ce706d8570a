"""The page: one HTML file that needs nothing else, built from the folders on disk."""

import json
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from tokser.config import ReportSettings
from tokser.plain_text import plain
from tokser.report import figures, naming
from tokser.report.audit import Evaluations, count_evaluations, meaning
from tokser.report.commands import pretrain_command
from tokser.report.dimensions import Dimensions, find_dimensions
from tokser.report.maps import attention_maps
from tokser.report.palette import DARK, LIGHT
from tokser.report.published import COUNT_REMARKS, GRIDS
from tokser.report.rerun import rerun_pipeline
from tokser.report.results import Inputs
from tokser.report.runs import METRICS, SETTINGS, RunSummary, names_of, summarise, watched
from tokser.report.sections import Section, find_sections

__all__ = ["render"]


def render(settings: ReportSettings, inputs: Inputs) -> str:
    """Build the page.

    Args:
        settings: Title, caution, and the paths that the page repeats.
        inputs: Content of at least one folder of results.

    Returns:
        An HTML document. The same input gives the same text.

    Raises:
        InputError: Two folders hold the same configuration.
    """
    runs = inputs.runs
    sections: list[Section] = find_sections(inputs)
    dimensions: list[Dimensions] = find_dimensions(inputs.regressions)
    names = names_of(runs)
    metrics = {name: run.metrics for name, run in zip(names, runs, strict=True)}
    evaluations: list[Evaluations] = count_evaluations(inputs.experiments)
    summaries: list[RunSummary] = [summarise(n, r) for n, r in zip(names, runs, strict=True)]
    template = resources.files("tokser.report").joinpath("page.html.jinja")
    return plain(
        _environment()
        .from_string(template.read_text(encoding="utf-8"))
        .render(
            settings=settings,
            sections=sections,
            dimensions=dimensions,
            runs=summaries,
            setting_names=SETTINGS,
            metric_names=_measured_names(summaries),
            convergence=Markup(figures.convergence(metrics)) if metrics else None,
            validation=Markup(figures.validation(seen)) if (seen := watched(metrics)) else None,
            maps=attention_maps(runs),
            light=LIGHT,
            dark=DARK,
            published_grids=GRIDS,
            count_remarks=COUNT_REMARKS,
            evaluations=evaluations,
            folders=[*inputs.experiments, *runs],
            run_commands=[
                (run.name, command)
                for run in runs
                if (command := pretrain_command(run.provenance.get("settings", run.settings)))
            ],
            rerun=rerun_pipeline(settings, inputs),
        )
    )


def _measured_names(runs: Sequence[RunSummary]) -> dict[str, str]:
    return {key: name for key, name in METRICS.items() if any(key in run.at_best for run in runs)}


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": _percent,
        "p_value": naming.p_value,
        "svg": Markup,
        "points": naming.signed,
        "breakable": _breakable,
        "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True),
        "grid": lambda values: ", ".join(f"{value:g}" for value in values),
        "protocol": naming.protocol_title,
        "meaning": meaning,
    }
    environment.filters.update(filters)
    return environment


def _percent(share: float | None) -> str:
    """Write a fraction in percent: one decimal, and two digits where that would show 0.0."""
    if share is None:
        return ""
    value = 100 * share
    return f"{value:.1f}" if value == 0 or abs(value) >= 0.05 else f"{value:.2g}"


def _breakable(name: Any) -> Markup:
    """Let a long name break after its slashes, which keeps it readable on a phone."""
    return Markup("/<wbr>").join(escape(part) for part in str(name).split("/"))
