"""Which configuration of a folder dev chose; the test parts have no say."""

from collections.abc import Mapping

import pandas as pd

from tokser.errors import TokserError
from tokser.report.inputs import Experiment, uniform
from tokser.report.scores import arrange
from tokser.report.tasks import TASKS

__all__ = ["chosen_on_dev"]


def chosen_on_dev(folders: Mapping[str, Experiment]) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Return features and head by folder, protocol and target.

    It is the row that dev selected among most others in each fold, such as best(...); without one,
    the row of the highest score on dev; nothing where neither is known.
    """
    found = {}
    for name, one in folders.items():
        task = next(task for task in TASKS if task.tables is one.tables)
        for target, own in one.scores.groupby("target"):
            scores = arrange(task, own)
            for protocol in scores.protocols:
                estimate = scores.estimate(protocol)
                row = _highest_on_dev(one, str(target), protocol)
                if estimate is not None:
                    row = estimate[0].features, estimate[0].classifier
                if row is not None:
                    found[name, protocol, str(target)] = row
    return found


def _highest_on_dev(one: Experiment, target: str, protocol: str) -> tuple[str, str] | None:
    column = f"dev_{one.tables.metric}"
    try:
        grid = uniform(one.tables.grid.read(one.folder / one.tables.grid.file), one.tables.head)
    except TokserError:
        return None
    own = grid[(grid["target"] == target) & (grid["protocol"] == protocol) & grid["selected"]]
    crossfit = own[f"{column}_crossfit"]
    own = own.assign(dev=crossfit.where(crossfit.notna(), own[column]))
    means: pd.Series[float] = own.groupby(["features", "classifier"], sort=False)["dev"].mean()
    if means.dropna().empty:
        return None
    features, head = means.idxmax()
    return str(features), str(head)
