"""Results of `tokser.classify` and `tokser.regress`: a folder, and its tables as DataFrames."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from tokser.api.html import shown_table
from tokser.api.options import ReportOptions
from tokser.errors import MissingInputError, SettingsError, list_some
from tokser.experiments.calibration.tables import CALIBRATION, COVERAGE, RELIABILITY, RISK
from tokser.experiments.fairness.tables import gaps_table, groups_table
from tokser.experiments.results import LABELS, TRANSFER, Table, TaskTables, tables_in
from tokser.missing_packages import names_missing_packages
from tokser.provenance import STAMP_NAME
from tokser.report.inputs import uniform
from tokser.report.layers import LayerCurve, find_layer_curves
from tokser.report.naming import order_protocols
from tokser.report.scores import Scores, arrange
from tokser.report.significance import find_families
from tokser.report.summary import summary_tables
from tokser.report.tasks import TASKS, ReportedTask

__all__ = ["Results", "load_results"]

_PARTS = ("train", "dev", "test")


@names_missing_packages
def load_results(folder: str | Path) -> "Results":
    """Open a folder that `tokser.classify`, `tokser.regress` or their commands wrote.

    Raises:
        MissingInputError: It holds no finished results.

    Example:
        >>> import tokser
        >>> results = tokser.classify(
        ...     "workspace/stores/emodb.zarr",
        ...     features="whisper-base/layer-3",
        ...     protocols="speaker",
        ...     heads="logreg",
        ... )
        >>> tokser.load_results(results.folder).task
        'classification'
    """
    return Results(folder)


class Results:
    """Scores, predictions and splits of one experiment; tables are read when they are asked for.

    Args:
        folder: What `tokser classify` or `tokser regress` wrote.

    Attributes:
        folder: The folder: `results.csv`, `summary.csv`, `predictions.parquet` and so on.

    Raises:
        MissingInputError: The folder holds no finished results.

    Example:
        >>> import tokser
        >>> results = tokser.classify(
        ...     "workspace/stores/emodb.zarr",
        ...     features="whisper-base/layer-3",
        ...     protocols="speaker",
        ...     heads="logreg",
        ... )
        >>> results.confusion().shape
        (3, 3)
        >>> sorted(set(results.predictions["fold"]))
        ['03', '08', '12', '14', '16']
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / STAMP_NAME).is_file():
            raise MissingInputError(
                self.folder,
                expected="finished results of `tokser classify` or `tokser regress`",
                got=f"no {STAMP_NAME}",
                remedy="Correct the path, or make the same call again, which goes on.",
            )

    @property
    def task(self) -> str:
        """`classification` or `regression`."""
        return self._tables.task

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row for each configuration and protocol: scores over seeds with 95 % intervals.

        `uar` is the headline of classification, `ccc` that of regression; with `num_candidates`
        above 1 a row was selected on dev. Of regression there is a row for each seed.
        """
        return self._read(self._tables.summary or self._tables.scores)

    @cached_property
    def scores_by_seed(self) -> pd.DataFrame:
        """The same with a row for each seed."""
        return self._read(self._tables.scores)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row for each configuration and test utterance: label, prediction, probabilities."""
        return self._read(self._tables.predictions)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """A row for each configuration and class: recall, precision, F1, support."""
        return self._read(self._of_classes(self._tables.classes))

    @cached_property
    def transfer(self) -> pd.DataFrame:
        """Of `tokser.transfer`: a row for each configuration, training corpus and test corpus."""
        return self._read(TRANSFER)

    @cached_property
    def labels(self) -> pd.DataFrame:
        """Of `tokser.transfer`: the class of each label of each corpus, or why it is left out."""
        return self._read(LABELS)

    @cached_property
    def corpora(self) -> pd.DataFrame:
        """Of several stores that were read as one dataset: scores of each corpus."""
        return self._read(self._tables.corpora)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """Scores by group: sex, age, speaker and so on, with `recall_<class>`."""
        return self._by_group(groups_table(self._tables))

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """The largest gap between groups of each column, with its permutation test."""
        return self._by_group(gaps_table(self._tables))

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """With `calibrate`: ECE, Brier score, likelihood and AURC, before and after."""
        return self._calibrated(CALIBRATION)

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """With `calibrate`: a row for each configuration, class and bin of probabilities.

        `label` is empty for the most probable class, whatever it is.
        """
        return self._calibrated(RELIABILITY)

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """With `calibrate`: a row for each kind of prediction set and group of utterances."""
        return self._calibrated(COVERAGE)

    @cached_property
    def risk(self) -> pd.DataFrame:
        """With `calibrate`: accuracy of the most confident utterances, by the share of them."""
        return self._calibrated(RISK)

    @cached_property
    def grid(self) -> pd.DataFrame:
        """A row for each model that was trained: its point, its dev score, what was selected."""
        return self._read(self._tables.grid)

    @cached_property
    def choices(self) -> pd.DataFrame:
        """A row for each choice by dev: what was chosen in which fold."""
        return self._read(self._tables.choices)

    @cached_property
    def audit(self) -> pd.DataFrame:
        """A row for each protocol: what train, dev and test share, and what they are too small for.

        `stamp` is LEAKS SPEAKERS or the like; empty where nothing leaks.
        """
        content = json.loads((self.folder / "audit.json").read_text(encoding="utf-8"))
        rows = {name: _audit_row(audit) for name, audit in content.items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("protocol")

    @cached_property
    def splits(self) -> pd.DataFrame:
        """A row for each protocol, fold, part and utterance; `seed` where folds follow the seed."""
        content = json.loads((self.folder / "splits.json").read_text(encoding="utf-8"))
        rows = [
            (protocol, fold.get("seed"), fold["fold"], part, name)
            for protocol, folds in content.items()
            for fold in folds
            for part in _PARTS
            for name in fold.get(part, ())
        ]
        table = pd.DataFrame(rows, columns=["protocol", "seed", "fold", "part", "id"])
        return table.astype({"seed": "Int64"})

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What made the folder: settings, inputs, versions."""
        return dict(json.loads((self.folder / STAMP_NAME).read_text(encoding="utf-8")))

    def confusion(
        self,
        features: str | None = None,
        *,
        protocol: str | None = None,
        head: str | None = None,
        normalise: bool = False,
    ) -> pd.DataFrame:
        """Return a confusion matrix over all folds and seeds: labels down, predictions across.

        Args:
            features: An expression, as `scores` names it; without, what dev selected.
            protocol: Its name; without, the most trustworthy one.
            head: What was trained; without, what goes with the features.
            normalise: Return shares of each label instead of counts.

        Raises:
            SettingsError: There is no such configuration, several fit, or numbers are predicted.
        """
        table = self._read(self._of_classes(self._tables.confusion))
        protocol = protocol or order_protocols(table["protocol"])[0]
        if features is None and head is None:
            shown = self._arranged("").shown(protocol)[0]
            features, head = shown.features, shown.classifier
        wanted = {"features": features, "protocol": protocol, self._tables.head: head}
        mine = self._one(table, {name: one for name, one in wanted.items() if one is not None})
        counts = mine.pivot_table(
            index="label", columns="prediction", values="count", aggfunc="sum", fill_value=0
        )
        names = sorted({*counts.index, *counts.columns})
        square = counts.reindex(index=names, columns=names, fill_value=0)
        square = square.rename_axis(index="label", columns="prediction")
        if not normalise:
            return square
        return square.div(square.sum(axis=1).clip(lower=1), axis=0)

    def layers(self) -> pd.DataFrame:
        """Return the headline by layer: a row for each encoder, head, protocol and layer.

        `num_selected` counts the folds in which dev selected the layer. Empty where no encoder has
        two layers.
        """
        found: list[dict[str, Any]] = []
        choices = uniform(self.choices, self._tables.head)
        scores = uniform(self.scores, self._tables.head)
        for (target, head), mine in scores.groupby(["target", "classifier"], sort=False):
            arranged = arrange(self._reported, mine)
            key = self._target(target) | {self._tables.head: head}
            for curve in find_layer_curves(arranged, choices[choices["target"] == target]):
                found += [key | row for row in self._points(curve)]
        columns = [self._tables.head, "encoder", "protocol", "layer", self._tables.metric]
        return pd.DataFrame(found) if found else pd.DataFrame(columns=columns)

    def compare(self) -> pd.DataFrame:
        """Return paired tests of feature sets, the largest difference of each family first.

        `p_adjusted` holds for all pairs of a protocol and head together; `no_test` says why there
        is none.
        """
        table = uniform(self._read(self._tables.comparisons), self._tables.head)
        found: list[dict[str, Any]] = []
        for target in self._targets:
            for family in find_families(table[table["target"] == target]):
                key = {"protocol": family.protocol, self._tables.head: family.classifier}
                found += [
                    self._target(target) | key | asdict(pair) | {"no_test": family.no_test}
                    for pair in family.pairs
                ]
        columns = ["protocol", self._tables.head, "better", "worse", "difference", "low", "high"]
        return pd.DataFrame(found, columns=None if found else [*columns, "p", "p_adjusted"])

    def report(
        self,
        out: str | Path | None = None,
        *,
        runs: Sequence[Any] = (),
        **options: Unpack[ReportOptions],
    ) -> Path:
        """Write the page, or tables and figures, of these results; see `tokser.report`."""
        from tokser.api.pages import report

        return report(self, out=out, runs=runs, **options)

    def __repr__(self) -> str:
        keys = [name for name in self._tables.unit if name not in ("protocol", "seed")]
        num = len(self.scores[keys].drop_duplicates())
        names = ", ".join(dict.fromkeys(self.scores["protocol"]))
        name = str(self.scores["dataset"].iloc[0])
        return (
            f"Results({str(self.folder)!r}: {self.task} of {name}, {num} configurations under "
            f"{names})"
        )

    def _repr_html_(self) -> str:
        """Show the scores in a notebook, as the command ends with them."""
        tables = "".join(map(shown_table, summary_tables(self.folder)))
        return f"<div>{tables}</div>"

    @cached_property
    def _tables(self) -> TaskTables:
        return tables_in(self.folder)

    @property
    def _reported(self) -> ReportedTask:
        return next(task for task in TASKS if task.tables is self._tables)

    @property
    def _targets(self) -> list[str]:
        """Names of what is predicted; one without a name where it is the label."""
        return list(dict.fromkeys(uniform(self.scores, self._tables.head)["target"]))

    def _target(self, target: str) -> dict[str, str]:
        return {"target": target} if target else {}

    def _arranged(self, target: str) -> Scores:
        scores = uniform(self.scores, self._tables.head)
        return arrange(self._reported, scores[scores["target"] == target])

    def _points(self, curve: LayerCurve) -> list[dict[str, Any]]:
        metric = self._tables.metric
        return [
            {
                "encoder": curve.label,
                "protocol": protocol,
                "layer": layer,
                metric: curve.values[protocol][place],
                f"{metric}_low": curve.intervals[protocol][place][0],
                f"{metric}_high": curve.intervals[protocol][place][1],
                f"dev_{metric}": curve.dev[protocol][place],
                "num_selected": curve.selected[protocol].get(layer, 0),
            }
            for protocol, layers in curve.layers.items()
            for place, layer in enumerate(layers)
        ]

    def _read(self, table: Table) -> pd.DataFrame:
        return table.read(self.folder / table.file)

    def _by_group(self, table: Table) -> pd.DataFrame:
        return self._if_there(
            table,
            "results with scores by group",
            "Call tokser.classify(..., by=['sex']) again: columns of the manifest with two values.",
        )

    def _calibrated(self, table: Table) -> pd.DataFrame:
        return self._if_there(
            table,
            "results with calibration",
            "Call tokser.classify(..., calibrate='speakers'), into another folder.",
        )

    def _if_there(self, table: Table, expected: str, remedy: str) -> pd.DataFrame:
        """Read a table that not all folders have."""
        if not (self.folder / table.file).is_file():
            raise MissingInputError(
                self.folder, expected=expected, got=f"no {table.file}", remedy=remedy
            )
        return self._read(table)

    def _of_classes(self, table: Table | None) -> Table:
        if table is None:
            raise SettingsError(
                self.folder,
                expected="results of classification",
                got=f"those of {self.task}",
                remedy="Use .scores and .predictions: numbers have no classes.",
            )
        return table

    def _one(self, table: pd.DataFrame, wanted: dict[str, str]) -> pd.DataFrame:
        """Return the rows of one configuration."""
        mine = table
        for name, value in wanted.items():
            mine = mine[mine[name] == value]
        key = ["features", "protocol", self._tables.head]
        found = mine[key].drop_duplicates()
        if len(found) == 1:
            return mine
        known = (table if found.empty else found)[key].drop_duplicates()
        raise SettingsError(
            f"{self.folder}, {', '.join(f'{k} {v}' for k, v in wanted.items())}",
            expected="one configuration",
            got="none of that name" if found.empty else f"{len(found)}",
            remedy="Name features, protocol and head of one of these: "
            + list_some([" / ".join(row) for row in known.itertuples(index=False)], most=8)
            + ".",
        )


def _audit_row(audit: dict[str, Any]) -> dict[str, Any]:
    parts = {f"num_{part}": _span(audit["parts"][part]) for part in _PARTS if "parts" in audit}
    shared = {f"shared_{kind}": count for kind, count in audit.get("shared", {}).items()}
    facts = {"stamp": audit.get("stamp", ""), "num_folds": audit.get("num_folds")}
    return {**facts, **parts, **shared, "remarks": "; ".join(audit.get("remarks", ()))}


def _span(ends: Sequence[int]) -> str:
    low, high = ends
    return str(low) if low == high else f"{low}..{high}"
