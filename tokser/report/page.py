"""The page: one self-contained HTML file, made from the folders on disk."""

import json
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from tokser.config import ReportSettings
from tokser.plain_text import plain
from tokser.report import naming
from tokser.report.audit import meaning
from tokser.report.commands import command_of
from tokser.report.evaluations import count_evaluations, evaluations_table
from tokser.report.inputs import Inputs
from tokser.report.maps import attention_maps
from tokser.report.palette import DARK, LIGHT
from tokser.report.renderers.html import environment
from tokser.report.rerun import rerun_pipeline
from tokser.report.runs import pretraining_figures, runs_table, summarise_all
from tokser.report.sections import find_sections

__all__ = ["render"]

_FILTERS: dict[str, Callable[..., Any]] = {
    "after_colon": lambda caption: caption.partition(": ")[2],
    "initial_capital": lambda text: text[:1].upper() + text[1:],
    "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True),
    "meaning": meaning,
    "protocol": naming.protocol_title,
    "svg": Markup,
}


def render(settings: ReportSettings, inputs: Inputs) -> str:
    """Build the page.

    Args:
        settings: Title, caution, and the paths that the page repeats.
        inputs: Content of at least one folder of results.

    Returns:
        An HTML document. The same input gives the same text.

    Raises:
        InputError: A folder has different scores of one configuration.
    """
    runs, sections = inputs.runs, find_sections(inputs)
    made_by = [command_of("pretrain", run.provenance.get("settings", run.settings)) for run in runs]
    made_by += [command for section in sections for command in section.commands]
    templates = environment()
    templates.filters.update(_FILTERS)
    page = templates.get_template("page.html.jinja").render(
        settings=settings,
        sections=sections,
        runs=runs_table(summarise_all(runs)) if runs else None,
        curves=pretraining_figures(runs),
        maps=attention_maps(runs),
        evaluations=evaluations_table(count_evaluations(inputs.experiments)),
        commands=[command for command in made_by if command],
        rerun=rerun_pipeline(settings, inputs),
        folders=[*inputs.experiments, *runs],
        light=LIGHT,
        dark=DARK,
    )
    return plain(page)
