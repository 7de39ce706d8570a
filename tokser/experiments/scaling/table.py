"""The tables that `tokser scaling` writes."""

from tokser.experiments.table import Column, Table

__all__ = ["FITS", "SCALING"]

_KEYS = tuple(
    Column(name, "text", required=name != "target")
    for name in ("dataset", "features", "target", "head", "varied", "metric")
)


def _reals(names: str, *, required: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, "real", required) for name in names.split())


SCALING = Table(
    "scaling.csv",
    "a row for each feature, target, and number of speakers or utterances",
    (
        *_KEYS,
        Column("size", "whole", required=True),
        *_reals("num_speakers utterances_per_speaker num_train score", required=True),
        *_reals("low high"),
        Column("no_interval", "text"),
        *_reals("draw_std chance"),
        *(
            Column(name, "whole", required=True)
            for name in ("num_draws", "num_subsets", "num_lacking", "n_test", "num_folds")
        ),
        *(Column("protocol", "text", required=True), Column("unit", "text", required=True)),
        *(Column("num_units", "whole"), Column("stamp", "text")),
    ),
)
"""`varied` is `speakers` or `utterances`, `size` how many (of each speaker); the means over subsets
are in `num_speakers`, `utterances_per_speaker` and `num_train`. `draw_std` is the standard
deviation of the score over draws; `num_lacking` counts subsets without one of the classes."""

FITS = Table(
    "scaling_fits.csv",
    "a row for each curve of scaling.csv: error = limit + factor * size^-exponent",
    (
        *_KEYS,
        Column("num_sizes", "whole", required=True),
        *_reals("limit limit_low limit_high factor factor_low factor_high"),
        *_reals("exponent exponent_low exponent_high residual largest score_at_largest"),
        *_reals("score_at_double score_at_double_low score_at_double_high"),
        *_reals("gain_per_doubling gain_per_doubling_low gain_per_doubling_high"),
        Column("not_identified", "text"),
    ),
)
"""The error is 1 - score. `largest` is the largest size, in speakers or mean utterances of each;
`score_at_double` what the curve predicts at twice that, and `gain_per_doubling` the difference."""
