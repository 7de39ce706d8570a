"""Every table and figure of the report under the name that its files get."""

from collections.abc import Iterator, Sequence

from tokser.errors import SettingsError
from tokser.report.evaluations import count_evaluations, evaluations_table
from tokser.report.inputs import Inputs, Run
from tokser.report.naming import file_name
from tokser.report.runs import pretraining_figures, runs_table, summarise_all
from tokser.report.sections import Section
from tokser.report.studies import study_sections
from tokser.report.study import Study
from tokser.report.svg import Drawing
from tokser.report.table import Table

__all__ = ["figures_of", "tables_of"]


def tables_of(
    sections: Sequence[Section], inputs: Inputs, columns: Sequence[str] = ()
) -> Iterator[Table]:
    """Yield the tables of every dataset and task, of the runs, and of the evaluations.

    Args:
        sections: One for each dataset and task.
        inputs: What was read.
        columns: Headings of the columns that tables of scores keep; none: all.

    Raises:
        SettingsError: No table of scores has a column of such a heading.
    """
    wanted = {name.lower() for name in columns}
    _require_known(wanted, [part.table for section in sections for part in section.parts])
    for section in sections:
        for part in section.parts:
            yield part.table.with_columns(wanted) if wanted else part.table
            if part.layer_weights_table is not None:
                yield part.layer_weights_table
            for panel in (part.layer_map, part.search):
                yield from panel.all_tables if panel else ()
            yield from (confused.table for confused in part.confusions)
            yield from (table for one in part.by_group for table in (one.groups, one.gaps))
            if part.comparisons is not None:
                yield part.comparisons
        yield from (table for table, _ in section.matrices)
        yield from section.labels
        yield from section.corpora
        yield from section.published
        yield section.audit
        yield from section.near_duplicates
        yield from section.shared
        for panel in section.panels:
            yield from panel.all_tables
    for study in study_sections(inputs.studies):
        for panel in study.panels:
            yield from panel.all_tables
    if inputs.runs:
        yield runs_table(summarise_all(inputs.runs))
    if inputs.experiments:
        yield evaluations_table(count_evaluations(inputs.experiments))


def _require_known(wanted: set[str], tables: Sequence[Table]) -> None:
    headings = [c.name for table in tables for g in table.groups if g.title for c in g.columns]
    unknown = sorted(wanted - {name.lower() for name in headings})
    if unknown:
        raise SettingsError(
            "--column",
            expected=f"columns of the tables of scores: {', '.join(dict.fromkeys(headings))}",
            got=", ".join(unknown),
            remedy="Name some of these.",
        )


def figures_of(
    sections: Sequence[Section], runs: Sequence[Run], studies: Sequence[Study] = ()
) -> dict[str, Drawing]:
    """Return the figures of datasets, studies and pretraining runs, by name of their file."""
    found: dict[str, Drawing] = {
        table.name: figure for section in sections for table, figure in section.matrices
    }
    for part in (part for section in sections for part in section.parts):
        if part.leakage_figure:
            found[f"{part.name}-leakage"] = part.leakage_figure
        for label, figure in part.layer_figures:
            found[file_name(f"{part.name}-layers-{label}")] = figure
        for panel in filter(None, (part.layer_map, part.search)):
            found |= {figure.name: figure.drawing for figure in panel.figures}
        for label, figure in part.layer_weights:
            found[file_name(f"{part.name}-layer-weights-{label}")] = figure
        for confused in part.confusions:
            found[file_name(confused.table.name)] = confused.figure
        for one in part.by_group:
            found[file_name(one.groups.name)] = one.figure
        if part.agreement:
            found[file_name(f"{part.name}-agreement")] = part.agreement
    panels = [panel for section in sections for panel in section.panels]
    panels += [panel for study in study_sections(studies) for panel in study.panels]
    found |= {figure.name: figure.drawing for panel in panels for figure in panel.figures}
    return found | pretraining_figures(runs)
