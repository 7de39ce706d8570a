"""Everything that the report says about one dataset, gathered from the folders on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tokser.report import figures, naming
from tokser.report.audit import Verdict, verdicts
from tokser.report.commands import classify_command, row_command
from tokser.report.comparison import Compared, Counted, Searched, compare, compare_grids, count
from tokser.report.confusion import Confusion, confusion_of
from tokser.report.published import NUM_TEST
from tokser.report.results import Inputs, Results, Run
from tokser.report.runs import teachers_of
from tokser.report.significance import Family, find_families
from tokser.report.svg import Drawing
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

__all__ = ["Section", "find_sections"]


@dataclass(frozen=True)
class Tile:
    """The headline of one protocol."""

    protocol: str
    row: Configuration | None
    """What dev chose in each fold, or the only configuration; None where there is neither."""
    score: Score | None
    highest: tuple[Configuration, Score]
    """The configuration of highest UAR on test: no estimate."""
    num_rows: int
    """Rows that it is the highest of."""


@dataclass(frozen=True)
class Section:
    """Everything that the page says about one dataset."""

    dataset: str
    title: str
    table: Headline
    tiles: Sequence[Tile]
    """By protocol, what stands in large letters."""
    chance: float
    """UAR of the best constant guess, under the protocol that comes first."""
    verdicts: Mapping[str, Verdict]
    leaks: Sequence[Leak]
    headline_leak: Leak | None
    """The leak of the headline's own configuration, where it was scored under both protocols."""
    leak_figure: Drawing | None
    layer_figures: Sequence[tuple[str, Drawing]]
    """Name of the encoder, and its curve."""
    confusions: Sequence[tuple[str, Configuration, Confusion]]
    compared: Sequence[Compared]
    families: Sequence[Family]
    """Paired tests between feature sets."""
    several_seeds: bool
    num_published_test: int
    counted: Counted | None
    searched: Sequence[Searched]
    commands: Sequence[tuple[str, str]]
    """What gives each folder again: its name, and the command."""
    row_commands: Sequence[tuple[str, str]]
    """What gives each row of the headline table again: its label, and the command."""


def find_sections(inputs: Inputs) -> list[Section]:
    """Gather a section for each dataset that emotions were classified on.

    Raises:
        InputError: Two folders hold the same configuration.
    """
    results, runs, _ = inputs
    if not results:
        return []
    scores = merge_scores([r.folder for r in results], [r.scores for r in results])
    return [_section(name, scores, results, runs) for name in scores["dataset"].unique()]


def _section(
    dataset: str, scores: pd.DataFrame, results: Sequence[Results], runs: Sequence[Run]
) -> Section:
    title = naming.dataset_title(dataset)
    mine = [r for r in results if dataset in set(r.scores["dataset"])]
    table = headline(scores[scores["dataset"] == dataset])
    tiles = [_tile(table, protocol) for protocol in table.protocols]
    chance = tiles[0].highest[1].uar_chance
    told = verdicts(table.protocols, mine)
    leaks = find_leaks(table) if _is_leak(told) else []
    stamps = {protocol: verdict.stamp for protocol, verdict in told.items()}
    choices = pd.concat([_of(dataset, r.choices) for r in mine])
    return Section(
        dataset=dataset,
        title=title,
        table=table,
        tiles=tiles,
        chance=chance,
        verdicts=told,
        leaks=leaks,
        headline_leak=_headline_leak(leaks, tiles[0]),
        leak_figure=figures.leak_sizes(title, leaks, stamps) if leaks else None,
        layer_figures=[
            (curve.label, figures.layer_curve(title, curve, chance, stamps))
            for curve in find_layers(table, choices)
        ],
        confusions=_confusions(table, mine),
        compared=compare(dataset, table, teachers_of(runs)),
        several_seeds=any(" " in row.seeds for row, _ in table.rows),
        families=find_families([_of(dataset, r.comparisons) for r in mine]),
        num_published_test=NUM_TEST.get(dataset, 0),
        counted=count(dataset, [r.predictions for r in mine]),
        searched=compare_grids(mine),
        commands=[
            (str(r.folder), command) for r in mine if (command := classify_command(r.settings))
        ],
        row_commands=_row_commands(table, mine),
    )


def _is_leak(told: Mapping[str, Verdict]) -> bool:
    """Tell whether the random split shares speakers that the other one parts."""
    if not {"random", "speaker"} <= told.keys():
        return False
    return "speakers" in told["random"].leaks and told["speaker"].parts_speakers


def _tile(table: Headline, protocol: str) -> Tile:
    row, score = table.estimate(protocol) or (None, None)
    rows = table.under(protocol)
    return Tile(protocol, row, score, table.highest(protocol), len(rows))


def _headline_leak(leaks: Sequence[Leak], tile: Tile) -> Leak | None:
    row = tile.row
    return next((leak for leak in leaks if row and leak.label == row.label), None)


def _confusions(
    table: Headline, results: Sequence[Results]
) -> list[tuple[str, Configuration, Confusion]]:
    found = []
    for protocol in table.protocols:
        best, _ = table.estimate(protocol) or table.highest(protocol)
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


def _row_commands(table: Headline, results: Sequence[Results]) -> list[tuple[str, str]]:
    found = []
    for row, scores in table.rows:
        folder = next((folder for folder in results if _holds(folder, row)), None)
        if folder is not None:
            command = row_command(folder.settings, row.features, row.classifier, list(scores))
            found += [(row.label, command)] if command else []
    return found


def _of(dataset: str, table: pd.DataFrame) -> pd.DataFrame:
    return table[table["dataset"] == dataset]
