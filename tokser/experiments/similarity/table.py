"""The table that `tokser similarity` writes."""

from tokser.experiments.table import Column, Table

__all__ = ["SIMILARITY"]

SIMILARITY = Table(
    "similarity.csv",
    "a row for utterances or frames, and each pair of features",
    (
        Column("over", "text", required=True),
        Column("first", "text", required=True),
        Column("second", "text", required=True),
        Column("cka", "real"),
        Column("r2", "real"),
        Column("num_samples", "whole", required=True),
    ),
)
"""`cka` is symmetric; `r2` is that of `second` predicted from `first`, for unseen speakers."""
