"""The tables that `tokser labels` writes."""

from tokser.experiments.classification import PROBABILITY
from tokser.experiments.table import Column, Table

__all__ = ["DOUBTFUL", "LABEL_NOISE"]

_SHARE = (0.0, 1.0)

DOUBTFUL = Table(
    "doubtful.csv",
    "a row for each utterance, the most doubtful label first",
    (
        Column("rank", "whole", required=True),
        *(Column(name, "text", required=True) for name in ("id", "label", "suggested_label")),
        Column("support", "real", required=True, bounds=_SHARE),
        Column("flagged_by", "text"),
        Column("num_flags", "whole", required=True),
        Column("self_confidence", "real", required=True, bounds=_SHARE),
        Column("model_rank", "whole", required=True),
        Column("neighbours_share", "real", required=True, bounds=_SHARE),
        Column("neighbours_label", "text", required=True),
        Column("neighbours_rank", "whole", required=True),
        Column("annotators_share", "real", bounds=_SHARE),
        Column("annotators_rank", "whole"),
        *(Column(name, "text") for name in ("speaker", "path")),
    ),
    more=PROBABILITY,
)
"""`support` is what all evidence together gives the label; `self_confidence` the probability that
the model gives it, `neighbours_share` the share of the nearest neighbours that have it, and
`annotators_share` that of the annotators who chose it."""

LABEL_NOISE = Table(
    "label-noise.csv",
    "a row for each pair of a label and another class",
    (
        *(Column(name, "text", required=True) for name in ("label", "other")),
        Column("expected_errors", "real", required=True),
        Column("share_of_label", "real", required=True, bounds=_SHARE),
        *(Column(name, "whole", required=True) for name in ("num_flagged", "num_label")),
    ),
)
"""`expected_errors`: utterances with this label whose class is estimated to be the other one;
`num_flagged`: those that the model flags, and for which it finds the other class likeliest."""
