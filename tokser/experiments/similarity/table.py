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
        *(Column(name, "real") for name in ("cka", "cka_low", "cka_high")),
        Column("r2", "real"),
        Column("num_samples", "whole", required=True),
    ),
)
"""`cka`, with its 95 % interval over speakers, is symmetric; `r2` is that of `second` predicted
from `first`, for unseen speakers."""
