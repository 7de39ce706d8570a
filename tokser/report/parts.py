"""What the report says about one target: the emotion classes, or valence, arousal, dominance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from tokser.experiments.fairness.tables import gaps_table, groups_table
from tokser.report import figures
from tokser.report.confusion import confusion_of, confusion_table
from tokser.report.confusion_figure import confusion_matrix
from tokser.report.fairness import ByGroup, by_group
from tokser.report.inputs import Experiment, uniform
from tokser.report.layer_map import find_layer_maps, layer_map_panel
from tokser.report.layers import LayerCurve, find_layer_curves
from tokser.report.leakage import Leakage, leakage_of, measure_leakage
from tokser.report.mixes import LayerWeights, find_layer_weights, weights_figure, weights_table
from tokser.report.naming import protocol_title
from tokser.report.scores import Configuration, Score, Scores, score_table
from tokser.report.search_points import search_panel
from tokser.report.significance import Family, comparison_table, find_families
from tokser.report.study import Panel
from tokser.report.svg import Drawing
from tokser.report.table import Table
from tokser.report.tasks import Metric

__all__ = ["Confused", "Part", "Tile"]

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
    """Everything that the page says about one target; tables and figures are made when used.

    Attributes:
        name: Prefix of the names of its files.
        dataset: Title of the dataset.
        target: Empty for emotion classes.
        scores: Configurations by protocols.
        folders: The results of the dataset and task.
        stamps: Of the protocols that have one.
        shares_speakers: Whether the random split shares speakers and another protocol does not.
    """

    name: str
    dataset: str
    target: str
    scores: Scores
    folders: Sequence[Experiment]
    stamps: Mapping[str, str]
    shares_speakers: bool

    @property
    def title(self) -> str:
        """Dataset, and the target where there is one."""
        return f"{self.dataset}, {self.target}" if self.target else self.dataset

    @property
    def metric(self) -> Metric:
        """The headline."""
        return self.scores.task.headline

    @property
    def chance(self) -> float:
        """What the best constant prediction scores, under the protocol that comes first."""
        return self.tiles[0].highest[1].chance

    @property
    def averages_seeds(self) -> bool:
        """Whether scores are means over several seeds."""
        return any(" " in row.seeds for row, _ in self.scores.rows)

    @cached_property
    def tiles(self) -> list[Tile]:
        """Protocols in large numbers."""
        return [_tile(self.scores, self.target, protocol) for protocol in self.scores.protocols]

    @cached_property
    def table(self) -> Table:
        """All scores."""
        heads = {row.classifier for row, _ in self.scores.rows}
        head = f", {heads.pop()}" if len(heads) == 1 else ""
        caption = f"{self.title}: scores on the test sets{head}"
        return score_table(self.scores, f"{self.name}-scores", caption, self.stamps)

    @cached_property
    def leakage(self) -> Leakage | None:
        """Speaker leakage of the estimate, where it was scored under both protocols."""
        return leakage_of(self._leakages, self.tiles[0].row)

    @cached_property
    def leakage_figure(self) -> Drawing | None:
        """Speaker leakage of all configurations."""
        if not self._leakages:
            return None
        return figures.leakage_figure(self.title, self.metric, self._leakages, self.stamps)

    @cached_property
    def layer_figures(self) -> list[tuple[str, Drawing]]:
        """Name of each encoder, and its layer curve."""
        more = (self.chance, self.stamps)
        return [
            (curve.label, figures.layer_curve(self.title, self.metric, curve, *more))
            for curve in self._curves
        ]

    @cached_property
    def layer_map(self) -> Panel | None:
        """Layers of all encoders side by side; None where there are not two such."""
        maps = find_layer_maps(self._curves, self.metric)
        return layer_map_panel(maps, self.metric, self.name, self.title, self.stamps)

    @cached_property
    def layer_weights(self) -> list[tuple[str, Drawing]]:
        """Name of each head and mix, and the weights of its layers as bars."""
        return [
            (one.row.label, weights_figure(self.title, one, self.stamps)) for one in self._weights
        ]

    @cached_property
    def layer_weights_table(self) -> Table | None:
        """Weights of all mixes; None where nothing is mixed."""
        if not self._weights:
            return None
        caption = f"{self.title}: weights of the layers of mixes"
        return weights_table(self._weights, f"{self.name}-layer-weights", caption, self.stamps)

    @cached_property
    def confusions(self) -> list[Confused]:
        """Confusion matrix of the estimate of each protocol; none for predicted numbers."""
        found = []
        for protocol in self.scores.protocols:
            row, _ = self.scores.shown(protocol)
            folder = self.folder_of(row)
            confusion = confusion_of(folder.confusion, row, protocol) if folder else None
            if confusion is not None:
                under = f"{self.title}, {protocol_title(protocol).lower()}"
                title = f"{under}: confusion matrix of {row.label}"
                table = confusion_table(confusion, f"{self.name}-confusion-{protocol}", title)
                stamp = self.stamps.get(protocol, "")
                found.append(
                    Confused(protocol, row, table, confusion_matrix(title, confusion, stamp))
                )
        return found

    @cached_property
    def by_group(self) -> list[ByGroup]:
        """Scores by group of the estimate of each protocol."""
        found = []
        for protocol in self.scores.protocols:
            row, _ = self.scores.shown(protocol)
            folder = self.folder_of(row)
            tables = None if folder is None else self._tables_by_group(folder)
            if tables is not None:
                title = f"{self.title}, {protocol_title(protocol).lower()}"
                metrics = self.scores.task.metrics
                shown = by_group(*tables, row, protocol, metrics, name=self.name, title=title)
                found += [shown] if shown is not None else []
        return found

    @cached_property
    def agreement(self) -> Drawing | None:
        """Predicted over annotated numbers; None for classes."""
        if not self.target:
            return None
        predictions = self._own("predictions")
        curves = {
            protocol: _tenths(predictions, protocol, self.scores.shown(protocol)[0])
            for protocol in self.scores.protocols
        }
        return figures.agreement(self.dataset, self.target, curves, self.stamps)

    @cached_property
    def families(self) -> list[tuple[Family, Table]]:
        """Paired tests between feature sets, each with its table."""
        found = find_families(self._own("comparisons"))
        return [(one, self._compared([one], f"; {one.title}")) for one in found if one.pairs]

    @cached_property
    def comparisons(self) -> Table | None:
        """All paired tests in one table."""
        families = [family for family, _ in self.families]
        return self._compared(families) if families else None

    @cached_property
    def _leakages(self) -> list[Leakage]:
        return measure_leakage(self.scores) if self.shares_speakers else []

    @cached_property
    def search(self) -> Panel | None:
        """What searches tried on dev; None where no head had a choice."""
        more = (self.name, self.title, self.scores.protocols, self.stamps)
        return search_panel(self._own("grid"), self.metric, *more)

    @cached_property
    def _curves(self) -> list[LayerCurve]:
        return find_layer_curves(self.scores, self._own("choices"))

    @cached_property
    def _weights(self) -> list[LayerWeights]:
        return find_layer_weights(self.scores, self._own("mixes"))

    def _tables_by_group(self, folder: Experiment) -> tuple[pd.DataFrame, pd.DataFrame] | None:
        """Return `groups.csv` and `gaps.csv` of this target, where a folder has them."""
        names = [of(folder.tables).file for of in (groups_table, gaps_table)]
        if not set(names) <= folder.further.keys():
            return None
        groups, gaps = (uniform(folder.further[name], folder.tables.head) for name in names)
        return groups[groups["target"] == self.target], gaps[gaps["target"] == self.target]

    def _compared(self, families: Sequence[Family], more: str = "") -> Table:
        unit = self.metric.unit_of_difference
        caption = f"{self.title}: paired tests, difference in {unit}{more}"
        name = f"{self.name}-comparisons"
        return comparison_table(families, self.metric, name, caption, self.stamps)

    def folder_of(self, row: Configuration) -> Experiment | None:
        """Return the folder that has a configuration."""
        return next((folder for folder in self.folders if _holds(folder, self.target, row)), None)

    def _own(self, name: str) -> pd.DataFrame:
        """Join one table of all folders, and keep the rows of this target, equal ones once."""
        table = pd.concat([getattr(folder, name) for folder in self.folders])
        return table[table["target"] == self.target].drop_duplicates()


def _holds(folder: Experiment, target: str, row: Configuration) -> bool:
    is_row = folder.scores["target"] == target
    for key in ("features", "classifier", "seeds", "setup", "source"):
        is_row &= folder.scores[key] == getattr(row, key)
    return bool(is_row.any())


def _tile(scores: Scores, target: str, protocol: str) -> Tile:
    row, score = scores.estimate(protocol) or (None, None)
    title = f"{protocol_title(protocol)}, {scores.task.headline.name}"
    title = f"{target.capitalize()}, {title[0].lower()}{title[1:]}" if target else title
    under = scores.under(protocol)
    return Tile(title, protocol, row, score, scores.highest(protocol), len(under))


def _tenths(predictions: pd.DataFrame, protocol: str, row: Configuration) -> figures.Tenths:
    """Average the predictions for the test utterances over tenths of their annotations."""
    own = predictions["protocol"] == protocol
    for key in ("features", "classifier", "seeds", "setup", "source"):
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
