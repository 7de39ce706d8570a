"""The page: one HTML file that needs nothing else, built from the folders on disk."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from tokser.config import ReportSettings
from tokser.report import figures, naming
from tokser.report.audit import Looks, Verdict, count_looks, verdicts
from tokser.report.comparison import Compared, compare
from tokser.report.confusion import Confusion, confusion_of
from tokser.report.published import NUM_TEST
from tokser.report.rerun import rerun_pipeline
from tokser.report.results import Results, Run
from tokser.report.runs import METRICS, SETTINGS, RunSummary, summarise, teachers_of
from tokser.report.significance import Family, find_families
from tokser.report.tables import (
    Configuration,
    Headline,
    Leak,
    Score,
    find_layers,
    find_leaks,
    headline,
    merge_scores,
)

__all__ = ["Section", "render"]


@dataclass(frozen=True)
class Section:
    """Everything that the page says about one dataset."""

    dataset: str
    title: str
    table: Headline
    best: Mapping[str, tuple[Configuration, Score]]
    """By protocol, the configuration of highest UAR."""
    chance: float
    """UAR of guessing: one over the number of labels."""
    verdicts: Mapping[str, Verdict]
    leaks: Sequence[Leak]
    leak_figure: Markup | None
    layer_figures: Sequence[tuple[str, Markup]]
    """Name of the encoder, and its curve."""
    confusions: Sequence[tuple[str, Configuration, Confusion]]
    compared: Sequence[Compared]
    families: Sequence[Family]
    """Paired tests between feature sets."""
    several_seeds: bool
    num_published_test: int


def render(settings: ReportSettings, results: Sequence[Results], runs: Sequence[Run]) -> str:
    """Build the page.

    Args:
        settings: Title, caution, and the paths that the page repeats.
        results: At least one folder's content.
        runs: Content of pretraining runs; may be empty.

    Returns:
        An HTML document. The same input gives the same text.

    Raises:
        InputError: Two folders hold the same configuration.
    """
    scores = merge_scores([r.folder for r in results], [r.scores for r in results])
    sections = [_section(name, scores, results, runs) for name in scores["dataset"].unique()]
    metrics = {name: run.metrics for name, run in zip(_names(runs), runs, strict=True)}
    looks: list[Looks] = count_looks(results)
    summaries: list[RunSummary] = [summarise(n, r) for n, r in zip(_names(runs), runs, strict=True)]
    template = resources.files("tokser.report").joinpath("page.html.jinja")
    return (
        _environment()
        .from_string(template.read_text(encoding="utf-8"))
        .render(
            settings=settings,
            sections=sections,
            runs=summaries,
            setting_names=SETTINGS,
            metric_names=_measured_names(summaries),
            convergence=Markup(figures.convergence(metrics)) if metrics else None,
            validation=_validation(metrics),
            looks=looks,
            folders=[*results, *runs],
            rerun=rerun_pipeline(settings, results, runs),
        )
    )


def _section(
    dataset: str, scores: pd.DataFrame, results: Sequence[Results], runs: Sequence[Run]
) -> Section:
    title = naming.dataset_title(dataset)
    mine = [r for r in results if dataset in set(r.scores["dataset"])]
    table = headline(scores[scores["dataset"] == dataset])
    chance = 1 / max(1, len(set().union(*(r.predictions["label"].unique() for r in mine))))
    leaks = find_leaks(table)
    return Section(
        dataset=dataset,
        title=title,
        table=table,
        best={protocol: table.best(protocol) for protocol in table.protocols},
        chance=chance,
        verdicts=verdicts(table.protocols, mine),
        leaks=leaks,
        leak_figure=Markup(figures.leak_sizes(title, leaks)) if leaks else None,
        layer_figures=[
            (curve.label, Markup(figures.layer_curve(title, curve, chance)))
            for curve in find_layers(table)
        ],
        confusions=_confusions(table, mine),
        compared=compare(dataset, table, teachers_of(runs)),
        several_seeds=any(" " in row.seeds for row, _ in table.rows),
        families=find_families([_of(dataset, r.comparisons) for r in mine]),
        num_published_test=NUM_TEST.get(dataset, 0),
    )


def _confusions(
    table: Headline, results: Sequence[Results]
) -> list[tuple[str, Configuration, Confusion]]:
    found = []
    for protocol in table.protocols:
        best, _ = table.best(protocol)
        for folder in results:
            if _holds(folder, best):
                confusion = confusion_of(folder.predictions, best, protocol)
                if confusion is not None:
                    found.append((protocol, best, confusion))
                    break
    return found


def _holds(folder: Results, row: Configuration) -> bool:
    table = folder.scores
    is_row = (table["features"] == row.features) & (table["classifier"] == row.classifier)
    is_row &= (table["setup"] == row.setup) & (table["seeds"].astype(str) == row.seeds)
    return bool(is_row.any())


def _validation(metrics: Mapping[str, pd.DataFrame]) -> Markup | None:
    watched = {
        name: table
        for name, table in metrics.items()
        if "dev_match_rate" in table and table["dev_match_rate"].notna().any()
    }
    return Markup(figures.validation(watched)) if watched else None


def _names(runs: Sequence[Run]) -> list[str]:
    """Name runs by their folders; by their whole paths where two folders are named alike."""
    names = [run.name for run in runs]
    alike = len(set(names)) < len(names)
    return [str(run.folder) if alike else run.name for run in runs]


def _measured_names(runs: Sequence[RunSummary]) -> dict[str, str]:
    return {key: name for key, name in METRICS.items() if any(key in run.at_best for run in runs)}


def _of(dataset: str, table: pd.DataFrame) -> pd.DataFrame:
    return table[table["dataset"] == dataset]


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": _percent,
        "points": naming.signed,
        "breakable": _breakable,
        "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True),
        "protocol": naming.protocol_title,
        "meaning": naming.protocol_meaning,
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
