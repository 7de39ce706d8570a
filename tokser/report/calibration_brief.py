"""Calibration of one folder in brief, as `tokser classify --calibrate` ends with it."""

from pathlib import Path

import pandas as pd

from tokser.experiments.calibration.tables import CALIBRATION, COVERAGE
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["calibration_brief"]

_KEY = ["features", "protocol", "classifier"]


def calibration_brief(folder: Path) -> Table | None:
    """Return error before and after, and the sets for new speakers; None where there are none.

    Raises:
        InputError: A file is not what its name says.
    """
    if not (folder / CALIBRATION.file).is_file() or not (folder / COVERAGE.file).is_file():
        return None
    table = CALIBRATION.read(folder / CALIBRATION.file)
    covered = COVERAGE.read(folder / COVERAGE.file)
    level = float(covered["level"].iloc[0])
    is_shown = covered["group_kind"].eq("all") & covered["exchangeable"].eq("speakers")
    sets = covered[is_shown & covered["level"].eq(level)].set_index(_KEY)
    groups = (
        ColumnGroup((Column("features"), Column("protocol"))),
        ColumnGroup((Column("before", "number"), Column("after", "number")), "ECE, %"),
        ColumnGroup(
            (Column("coverage, %", "interval"), Column("classes", "number")),
            f"sets at {100 * level:g} %",
        ),
    )
    rows: list[tuple[Cell, ...]] = []
    for key, own in table.groupby(_KEY, sort=False):
        errors = [
            Number(float(own.loc[own["probabilities"] == kind, "ece"].iloc[0]))
            for kind in ("raw", "calibrated")
        ]
        row = sets.loc[key]
        low, high = (
            None if pd.isna(row[f"coverage_{end}"]) else float(row[f"coverage_{end}"])
            for end in ("low", "high")
        )
        coverage = Number(float(row["coverage"]), low, high)
        size = Number(float(row["mean_set_size"]), digits=2, scale=1)
        features, protocol, head = map(str, key)
        name = f"{features} · {head}" if table["classifier"].nunique() > 1 else features
        rows.append((name, protocol, *errors, coverage, size))
    return Table("calibration", "calibration, and prediction sets for new speakers", groups,
                 tuple(rows))  # fmt: skip
