"""What the report says about valence, arousal and dominance of one dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from tokser.report import naming
from tokser.report.audit import Verdict, verdicts
from tokser.report.commands import regress_command
from tokser.report.figures import Tenths, agreement
from tokser.report.results import Regression
from tokser.report.significance import Family, find_families
from tokser.report.svg import Drawing
from tokser.report.tables import merge_scores, nested_choice

__all__ = ["Agreement", "Dimensions", "Estimator", "Target", "find_dimensions"]

_KEY = ("dataset", "features", "protocol", "target", "regressor", "setup", "seed")
_NUM_PARTS = 10
_Rows: TypeAlias = "tuple[tuple[Estimator, Mapping[str, Agreement]], ...]"


@dataclass(frozen=True)
class Estimator:
    """One row of a target's table."""

    features: str
    regressor: str
    seed: str
    setup: str
    label: str
    """The features' name, and whatever else tells this row from others of its target."""


@dataclass(frozen=True)
class Agreement:
    """How far one estimator agrees with the annotators under one protocol."""

    ccc: float
    low: float | None
    """Lower end of the CCC's 95 % interval; None where there is none."""
    high: float | None
    no_interval: str
    """Why there is none; empty where there is one."""
    num_candidates: int
    """How many rows dev chose this among, fold by fold; 1 for a row of its own."""
    pearson: float
    rmse: float
    """In the annotators' own unit."""
    num_test: int
    is_best: bool
    """Whether no other estimator has a higher CCC under this protocol."""


@dataclass(frozen=True)
class Target:
    """One dimension: estimators (rows) by protocols (columns)."""

    name: str
    rows: _Rows
    families: Sequence[Family]
    """Paired tests between feature sets; differences of CCC."""
    figure: Drawing
    """The estimates of the headline of each protocol against the truth."""

    def headline(self, protocol: str) -> tuple[Estimator, Agreement] | None:
        """Return what test had no say in: what dev chose in each fold, or the only estimator."""
        return _headline(self.rows, protocol)

    def highest(self, protocol: str) -> tuple[Estimator, Agreement]:
        """Return the estimator of highest CCC on test, which is no estimate of anything."""
        return _highest(self.rows, protocol)


@dataclass(frozen=True)
class Dimensions:
    """Everything that the page says about the dimensions of one dataset."""

    dataset: str
    title: str
    protocols: tuple[str, ...]
    verdicts: Mapping[str, Verdict]
    targets: Sequence[Target]
    commands: Sequence[str]
    """What gives each folder again."""


def find_dimensions(regressions: Sequence[Regression]) -> list[Dimensions]:
    """Gather what is known of each dataset's dimensions.

    Args:
        regressions: Folders' content; may be empty.

    Raises:
        InputError: Two folders hold the same configuration.
    """
    if not regressions:
        return []
    tables = [r.scores.assign(seed=r.scores["seed"].astype(str)) for r in regressions]
    scores = merge_scores([r.folder for r in regressions], tables, _KEY)
    return [
        _dimensions(
            str(name),
            scores[scores["dataset"] == name],
            [r for r in regressions if name in set(r.scores["dataset"])],
        )
        for name in scores["dataset"].unique()
    ]


def _dimensions(
    dataset: str, scores: pd.DataFrame, regressions: Sequence[Regression]
) -> Dimensions:
    protocols = naming.order_protocols(scores["protocol"])
    title = naming.dataset_title(dataset)
    # A folder has one setup, which its predictions do not tell.
    predictions = pd.concat(
        [r.predictions.assign(setup=r.scores["setup"].iloc[0]) for r in regressions]
    )
    comparisons = pd.concat(
        [r.comparisons[r.comparisons["dataset"] == dataset] for r in regressions]
    )
    comparisons = comparisons.rename(columns={"regressor": "classifier"})
    told = verdicts(protocols, regressions)
    stamps = {protocol: verdict.stamp for protocol, verdict in told.items()}
    targets = []
    for target in scores["target"].unique():
        rows = _rows(scores[scores["target"] == target])
        curves = {
            protocol: _tenths(predictions, str(target), protocol, _shown(rows, protocol))
            for protocol in protocols
            if any(protocol in found for _, found in rows)
        }
        targets.append(
            Target(
                name=str(target),
                rows=rows,
                families=find_families([comparisons[comparisons["target"] == target]]),
                figure=agreement(title, str(target), curves, stamps),
            )
        )
    return Dimensions(
        dataset=dataset,
        title=title,
        protocols=tuple(protocols),
        verdicts=told,
        targets=targets,
        commands=[
            command for r in regressions if (command := regress_command(r.settings)) is not None
        ],
    )


def _shown(rows: _Rows, protocol: str) -> Estimator:
    """Return the estimator whose estimates are drawn."""
    return (_headline(rows, protocol) or _highest(rows, protocol))[0]


def _headline(rows: _Rows, protocol: str) -> tuple[Estimator, Agreement] | None:
    return nested_choice([(row, scores[protocol]) for row, scores in rows if protocol in scores])


def _highest(rows: _Rows, protocol: str) -> tuple[Estimator, Agreement]:
    found = [(row, scores[protocol]) for row, scores in rows if protocol in scores]
    return max(found, key=lambda pair: pair[1].ccc)


def _rows(scores: pd.DataFrame) -> _Rows:
    """Arrange the scores of one target, and mark the best of each protocol."""
    several = [key for key in ("regressor", "setup", "seed") if scores[key].nunique() > 1]
    top = scores.groupby("protocol")["ccc"].max()
    rows: dict[Estimator, dict[str, Agreement]] = {}
    for row in scores.to_dict("records"):
        told = {
            "regressor": row["regressor"],
            "setup": row["setup"] or "usual",
            "seed": f"seed {row['seed']}",
        }
        label = " · ".join([row["features"], *(told[key] for key in several)])
        estimator = Estimator(row["features"], row["regressor"], row["seed"], row["setup"], label)
        rows.setdefault(estimator, {})[row["protocol"]] = Agreement(
            ccc=row["ccc"],
            low=None if np.isnan(row["ccc_low"]) else row["ccc_low"],
            high=None if np.isnan(row["ccc_high"]) else row["ccc_high"],
            no_interval=str(row.get("no_interval", "")),
            num_candidates=int(row["num_candidates"]),
            pearson=row["pearson"],
            rmse=row["rmse"],
            num_test=int(row["n_test"]),
            is_best=row["ccc"] == top[row["protocol"]],
        )
    return tuple(rows.items())


def _tenths(predictions: pd.DataFrame, target: str, protocol: str, estimator: Estimator) -> Tenths:
    """Average the estimates of the test utterances over tenths of the truth."""
    own = (predictions["target"] == target) & (predictions["protocol"] == protocol)
    for key in ("features", "regressor", "seed", "setup"):
        own &= predictions[key].astype(str) == getattr(estimator, key)
    mine = predictions[own]
    parts = pd.qcut(mine["truth"].rank(method="first"), min(_NUM_PARTS, len(mine)), labels=False)
    # Equal truths belong together, whatever tenth their rank falls into.
    parts = parts.groupby(mine["truth"]).transform("min")
    found = mine.groupby(parts)
    return Tenths(
        label=estimator.label,
        truth=found["truth"].mean().to_numpy(),
        mean=found["prediction"].mean().to_numpy(),
        std=found["prediction"].std(ddof=0).to_numpy(),
    )
