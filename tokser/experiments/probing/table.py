"""The table that `tokser probe` writes."""

from tokser.experiments.table import Column, Table

__all__ = ["PROBES"]

PROBES = Table(
    "probes.csv",
    "a row for each target and feature",
    (
        *(Column(name, "text", required=True) for name in ("target", "feature", "metric")),
        Column("head", "text"),
        Column("score", "real", required=True),
        *(Column(name, "real") for name in ("low", "high", "chance")),
        *(Column(name, "real", required=True) for name in ("control", "selectivity")),
        *(Column(name, "whole", required=True) for name in ("n", "num_groups")),
        Column("grouped_by", "text", required=True),
        Column("num_classes", "whole"),
    ),
)
"""`score` with its 95 % interval over groups; `control` is the same with shuffled targets, and
`selectivity` the difference."""
