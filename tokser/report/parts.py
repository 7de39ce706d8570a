"""What the report says about one target: the emotion classes, or valence, arousal, dominance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tokser.report import figures
from tokser.report.confusion import confusion_of, confusion_table
from tokser.report.confusion_figure import confusion_matrix
from tokser.report.inputs import Experiment
from tokser.report.layers import find_layer_curves
from tokser.report.leakage import Leakage, leakage_of, measure_leakage
from tokser.report.naming import protocol_title
from tokser.report.scores import Configuration, Score, Scores, arrange, score_table
from tokser.report.significance import Family, comparison_table, find_families
from tokser.report.svg import Drawing
from tokser.report.table import Table
from tokser.report.tasks import ReportedTask

__all__ = ["Confused", "Part", "Tile", "make_part"]

_NUM_TENTHS = 10


@dataclass(frozen=True)
class Tile:
    """The headline of one target under one protocol."""

    title: str
    protocol: str
    row: Configuration | None
    """What dev selected in each fold, or the only configuration; None where there is neither."""
    score: Score | None
    highest: tuple[Configuration, Score]
    """The configuration of highest headline on test: not an estimate."""
    num_rows: int
    """Rows that it is the highest of."""


@dataclass(frozen=True)
class Confused:
    """The confusion matrix of one protocol's estimate, as a table and as a figure."""

    protocol: str
    row: Configuration
    table: Table
    figure: Drawing


@dataclass(frozen=True)
class Part:
    """Everything that the page says about one target.

    Attributes:
        name: Prefix of the names of its files.
        target: Empty for emotion classes.
        title: Dataset, and the target where there is one.
        scores: Configurations by protocols.
        table: The same as a table.
        tiles: Protocols in large numbers.
        leakage: Of the estimate, where it was scored under both protocols.
        leakage_figure: Of all configurations.
        layer_figures: Name of the encoder, and its curve.
        confusions: By protocol; none for predicted numbers.
        agreement: Predicted over annotated numbers; None for classes.
        families: Paired tests between feature sets, each with its table.
        comparisons: All of them together, for a file.
    """

    name: str
    target: str
    title: str
    scores: Scores
    table: Table
    tiles: Sequence[Tile]
    leakage: Leakage | None
    leakage_figure: Drawing | None
    layer_figures: Sequence[tuple[str, Drawing]]
    confusions: Sequence[Confused]
    agreement: Drawing | None
    families: Sequence[tuple[Family, Table]]
    comparisons: Table | None

    @property
    def chance(self) -> float:
        """What the best constant prediction scores, under the protocol that comes first."""
        return self.tiles[0].highest[1].chance

    @property
    def averages_seeds(self) -> bool:
        """Whether scores are means over several seeds."""
        return any(" " in row.seeds for row, _ in self.scores.rows)


def make_part(
    name: str,
    title: str,
    task: ReportedTask,
    scores: pd.DataFrame,
    folders: Sequence[Experiment],
    stamps: Mapping[str, str],
    *,
    shares_speakers: bool,
) -> Part:
    """Gather what is known of one target.

    Args:
        name: Prefix of the names of its files.
        title: Name of the dataset.
        task: What was scored.
        scores: Merged scores of one dataset and target.
        folders: Those of the same dataset and task.
        stamps: Of the protocols that have one.
        shares_speakers: Whether the random split shares speakers and another protocol does not.
    """
    dataset, target = (str(scores[key].iloc[0]) for key in ("dataset", "target"))
    heading = f"{title}, {target}" if target else title
    arranged = arrange(task, scores)
    metric = task.headline
    leakage = measure_leakage(arranged) if shares_speakers else []
    choices = pd.concat([_own(folder.choices, dataset, target) for folder in folders])
    families = find_families([_own(folder.comparisons, dataset, target) for folder in folders])
    caption = f"{heading}: paired tests, difference in {metric.unit_of_difference}"
    tiles = [_tile(arranged, target, protocol) for protocol in arranged.protocols]
    curves = find_layer_curves(arranged, choices)
    return Part(
        name=name,
        target=target,
        title=heading,
        scores=arranged,
        table=score_table(
            arranged, f"{name}-scores", f"{heading}: scores on the test sets", stamps
        ),
        tiles=tiles,
        leakage=leakage_of(leakage, tiles[0].row),
        leakage_figure=figures.leakage_figure(heading, metric, leakage, stamps)
        if leakage
        else None,
        layer_figures=[
            (
                curve.label,
                figures.layer_curve(heading, metric, curve, tiles[0].highest[1].chance, stamps),
            )
            for curve in curves
        ],
        confusions=list(_confusions(name, heading, arranged, folders, stamps)),
        agreement=_agreement(title, target, arranged, folders, stamps) if target else None,
        families=[
            (
                family,
                comparison_table(
                    [family], metric, f"{name}-comparisons", f"{caption}; {family.title}", stamps
                ),
            )
            for family in families
            if family.pairs
        ],
        comparisons=comparison_table(families, metric, f"{name}-comparisons", caption, stamps)
        if families
        else None,
    )


def _own(table: pd.DataFrame, dataset: str, target: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & (table["target"] == target)]


def _tile(scores: Scores, target: str, protocol: str) -> Tile:
    row, score = scores.estimate(protocol) or (None, None)
    name = scores.task.headline.name
    title = f"{protocol_title(protocol)}, {name}"
    title = f"{target.capitalize()}, {title[0].lower()}{title[1:]}" if target else title
    highest, rows = scores.highest(protocol), scores.under(protocol)
    return Tile(title, protocol, row, score, highest, len(rows))


def _confusions(
    name: str,
    title: str,
    scores: Scores,
    folders: Sequence[Experiment],
    stamps: Mapping[str, str],
) -> Iterable[Confused]:
    for protocol in scores.protocols:
        row, _ = scores.shown(protocol)
        found = (confusion_of(folder.confusion, row, protocol) for folder in folders)
        confusion = next(filter(None, found), None)
        if confusion is not None:
            heading = (
                f"{title}, {protocol_title(protocol).lower()}: confusion matrix of {row.label}"
            )
            yield Confused(
                protocol,
                row,
                confusion_table(confusion, f"{name}-confusion-{protocol}", heading),
                confusion_matrix(heading, confusion, stamps.get(protocol, "")),
            )


def _agreement(
    title: str,
    target: str,
    scores: Scores,
    folders: Sequence[Experiment],
    stamps: Mapping[str, str],
) -> Drawing:
    predictions = pd.concat([folder.predictions for folder in folders])
    curves = {
        protocol: _tenths(predictions, target, protocol, scores.shown(protocol)[0])
        for protocol in scores.protocols
    }
    return figures.agreement(title, target, curves, stamps)


def _tenths(
    predictions: pd.DataFrame, target: str, protocol: str, row: Configuration
) -> figures.Tenths:
    """Average the predictions for the test utterances over tenths of their annotations."""
    own = (predictions["target"] == target) & (predictions["protocol"] == protocol)
    for key in ("features", "classifier", "seeds", "setup"):
        own &= predictions[key] == getattr(row, key)
    mine = predictions[own]
    parts = pd.qcut(mine["truth"].rank(method="first"), min(_NUM_TENTHS, len(mine)), labels=False)
    # Equal annotations belong together, whatever tenth their rank falls into.
    parts = parts.groupby(mine["truth"]).transform("min")
    found = mine.groupby(parts)
    return figures.Tenths(
        label=row.label,
        truth=found["truth"].mean().to_numpy(),
        mean=found["prediction"].mean().to_numpy(),
        std=found["prediction"].std(ddof=0).to_numpy(),
    )
