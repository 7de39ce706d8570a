"""Everything that the report says about one dataset and task, gathered from the folders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tokser.experiments.results import LABELS, SHARED, TRANSFER
from tokser.report import naming
from tokser.report.audit import Verdict, audit_table, near_duplicate_tables, verdicts
from tokser.report.commands import command_of, row_command, stage_of
from tokser.report.compare_results.folders import named_folders
from tokser.report.compare_results.settings import settings_that_differ
from tokser.report.compare_results.settings_table import settings_table
from tokser.report.comparison import counts_table, grids_table, published_table
from tokser.report.inputs import Experiment, Inputs, Run
from tokser.report.merge import merge_scores, name_sources
from tokser.report.parts import Part
from tokser.report.published import published_scores
from tokser.report.runs import teachers_of
from tokser.report.scores import arrange
from tokser.report.shared import shared_table
from tokser.report.studies import FURTHER_TABLES
from tokser.report.study import Panel
from tokser.report.svg import Drawing
from tokser.report.table import Table
from tokser.report.tasks import TASKS, ReportedTask
from tokser.report.transfer import corpora_tables, labels_table, shown_matrices

__all__ = ["Section", "find_sections"]


@dataclass(frozen=True)
class Section:
    """Everything that the page says about one dataset and task."""

    name: str
    """Prefix of the names of its files."""
    title: str
    dataset: str
    task: ReportedTask
    parts: Sequence[Part]
    """One for each target."""
    verdicts: Mapping[str, Verdict]
    """By protocol, the most trustworthy first."""
    published: Sequence[Table]
    """The paper's tables, compared with these results."""
    audit: Table
    near_duplicates: Sequence[Table]
    commands: Sequence[str]
    """The command that makes each folder again."""
    row_commands: Sequence[tuple[str, str]]
    """The command that makes each row of the scores again, with the row's label."""
    matrices: Sequence[tuple[Table, Drawing]] = ()
    """Across corpora: scores from each to each, as a table and a figure."""
    labels: Sequence[Table] = ()
    """Across corpora: what became of each label."""
    corpora: Sequence[Table] = ()
    """Of several stores that were read as one dataset: scores by corpus."""
    shared: Sequence[Table] = ()
    """What the parts of published splits share."""
    panels: Sequence[Panel] = ()
    """What is shown of further tables, see `tokser.report.studies`."""


def find_sections(inputs: Inputs) -> list[Section]:
    """Gather a section for each dataset and task.

    Raises:
        InputError: A folder has different scores of one configuration.
    """
    found = []
    for task in TASKS:
        folders = [f for f in inputs.experiments if f.tables.task == task.tables.task]
        datasets = {str(dataset) for folder in folders for dataset in folder.scores["dataset"]}
        for dataset in sorted(datasets, key=naming.natural_key):
            own = name_sources([f for f in folders if dataset in set(f.scores["dataset"])])
            scores = merge_scores([f.folder for f in own], [f.scores for f in own])
            mine = scores[scores["dataset"] == dataset]
            found.append(_section(dataset, task, mine, own, inputs.runs))
    return found


def _section(
    dataset: str,
    task: ReportedTask,
    scores: pd.DataFrame,
    folders: Sequence[Experiment],
    runs: Sequence[Run],
) -> Section:
    title = naming.dataset_title(dataset)
    heading = f"{title}: {task.title}"
    protocols = naming.order_protocols(scores["protocol"])
    found = verdicts(protocols, folders)
    stamps = {protocol: verdict.stamp for protocol, verdict in found.items()}
    parts = [
        Part(
            name=f"{dataset}-{target}" if target else dataset,
            dataset=title,
            target=str(target),
            scores=arrange(task, mine),
            folders=folders,
            stamps=stamps,
            shares_speakers=_shares_speakers(found),
        )
        for target, mine in scores.groupby("target")
    ]
    name = dataset if task.is_published else f"{dataset}-{task.tables.task}"
    published = _published_tables(dataset, parts[0], runs)
    tables = _further(folders)
    return Section(
        name=name,
        title=heading,
        dataset=dataset,
        task=task,
        parts=parts,
        verdicts=found,
        published=list(published) if task.is_published else [],
        audit=audit_table(found, f"{name}-audit", f"{heading}: audit of the splits"),
        near_duplicates=near_duplicate_tables(found, name, heading),
        commands=[
            c for f in folders if (c := command_of(stage_of(f.tables, f.settings), f.settings))
        ],
        row_commands=list(_row_commands(parts)),
        matrices=shown_matrices(tables(TRANSFER.file), name, title),
        labels=[
            labels_table(table, f"{name}-labels-{number}", title)
            for number, table in enumerate(_different(tables(LABELS.file)), start=1)
        ],
        corpora=[
            table
            for one in tables(task.tables.corpora.file)
            for table in corpora_tables(one, f"{name}-corpora", title, task.headline)
        ],
        shared=[
            shared_table(table, f"{name}-shared-{number}", title)
            for number, table in enumerate(_different(tables(SHARED.file)), start=1)
        ],
        panels=[*_settings(folders, name, heading), *_panels(folders, name, heading)],
    )


def _settings(folders: Sequence[Experiment], name: str, title: str) -> Iterator[Panel]:
    """Show the settings in which several folders differ."""
    if len(folders) < 2:
        return
    differences = settings_that_differ(named_folders(folders), opens_remote=False)
    caption = f"{title}: settings that differ between the folders"
    table = settings_table(differences, f"{name}-settings", caption)
    note = "tokser compare-results tests their scores against each other."
    yield Panel("Settings that differ", note=note, tables=[table])


def _panels(folders: Sequence[Experiment], name: str, title: str) -> Iterator[Panel]:
    """Show further tables, each once; folders tell those of one kind apart."""
    named = named_folders(folders)
    for kind in FURTHER_TABLES:
        found: dict[str, pd.DataFrame] = {}
        for folder, one in named.items():
            table = one.further.get(kind.table.file)
            if table is not None and not any(table.equals(other) for other in found.values()):
                found[folder] = table
        if len(found) == 1:
            yield from kind.panels(next(iter(found.values())), name, title)
            continue
        for number, (folder, table) in enumerate(found.items(), start=1):
            prefix = f"{name}-{number}" if number > 1 else name
            for panel in kind.panels(table, prefix, f"{title} ({folder})"):
                yield replace(panel, title=f"{panel.title}: {folder}")


def _different(tables: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return each table once that several folders have."""
    found: list[pd.DataFrame] = []
    for table in tables:
        if not any(table.equals(other) for other in found):
            found.append(table)
    return found


def _further(folders: Sequence[Experiment]) -> Callable[[str], list[pd.DataFrame]]:
    """Return what gives a table that only some folders have, of each that has it."""
    return lambda file: [one.further[file] for one in folders if file in one.further]


def _shares_speakers(found: Mapping[str, Verdict]) -> bool:
    """Return whether the random split shares speakers that the other one separates."""
    if not {"random", "speaker"} <= found.keys():
        return False
    return "speakers" in found["random"].leaks and found["speaker"].separates_speakers


def _published_tables(dataset: str, part: Part, runs: Sequence[Run]) -> Iterator[Table]:
    """Make the paper's Tables 1, 2 and 3; none for a dataset that it does not score."""
    if not published_scores(dataset):
        return
    names = [f"{dataset}-table{number}" for number in (1, 2, 3)]
    captions = [
        f"{part.title}: {what}, compared with the paper's Table {number}"
        for number, what in enumerate(("utterances by label", "search space", "scores"), start=1)
    ]
    tables = (
        counts_table(dataset, [f.predictions for f in part.folders], names[0], captions[0]),
        grids_table({str(f.folder): f.settings for f in part.folders}, names[1], captions[1]),
        published_table(
            dataset, part.scores, teachers_of(runs), name=names[2], caption=captions[2],
            stamps=part.stamps,
        ),
    )  # fmt: skip
    yield from filter(None, tables)


def _row_commands(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    for part in parts:
        for row, scored in part.scores.rows:
            folder = part.folder_of(row)
            if folder is not None:
                command = row_command(folder.tables, folder.settings, part.target, row, scored)
                label = f"{part.target}, {row.label}" if part.target else row.label
                yield from ((label, command),) if command else ()
