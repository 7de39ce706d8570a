"""The page: one self-contained HTML file, made from the folders on disk."""

import json
from collections.abc import Callable, Sequence
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
from tokser.report.sections import Section, find_sections
from tokser.report.studies import study_sections
from tokser.report.study import StudySection

__all__ = ["render"]


def _data(value: Any) -> Markup:
    """Write data for a script as JSON in which nothing ends the element that holds it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


_FILTERS: dict[str, Callable[..., Any]] = {
    "after_colon": lambda caption: caption.partition(": ")[2],
    "initial_capital": lambda text: text[:1].upper() + text[1:],
    "data": _data,
    "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True),
    "meaning": meaning,
    "protocol": naming.protocol_title,
    "svg": Markup,
}


def render(
    settings: ReportSettings, inputs: Inputs, sections: Sequence[Section] | None = None
) -> str:
    """Build the page.

    Args:
        settings: Title, caution, and the paths that the page repeats.
        inputs: Content of at least one folder of results.
        sections: What is shown of them; None: what `find_sections` finds.

    Returns:
        An HTML document. The same input gives the same text.

    Raises:
        InputError: A folder has different scores of one configuration.
    """
    runs = inputs.runs
    sections = find_sections(inputs) if sections is None else sections
    studies = study_sections(inputs.studies)
    made_by = [command_of("pretrain", run.provenance.get("settings", run.settings)) for run in runs]
    made_by += [command for section in sections for command in section.commands]
    made_by += [study.command for study in studies]
    templates = environment()
    templates.filters.update(_FILTERS)
    page = templates.get_template("page.html.jinja").render(
        settings=settings,
        sections=sections,
        studies=studies,
        scripts=_scripts([*sections, *studies]),
        runs=runs_table(summarise_all(runs)) if runs else None,
        curves=pretraining_figures(runs),
        maps=attention_maps(runs),
        evaluations=evaluations_table(count_evaluations(inputs.experiments))
        if inputs.experiments
        else None,
        commands=[command for command in made_by if command],
        rerun=rerun_pipeline(settings, inputs),
        folders=[*inputs.experiments, *inputs.studies, *runs],
        light=LIGHT,
        dark=DARK,
    )
    return plain(page)


def _scripts(sections: Sequence[Section | StudySection]) -> list[str]:
    """Return the names of the scripts that the page needs, each once."""
    parts = [panel.interactive for section in sections for panel in section.panels]
    return list(
        dict.fromkeys(["tables.js.jinja", *(one.script for one in parts if one and one.script)])
    )
