"""The tables that `tokser classify --calibrate` adds to a folder of results."""

from tokser.experiments.table import Column, Kind, Table

__all__ = ["CALIBRATION", "CALIBRATION_TABLES", "COVERAGE", "RELIABILITY", "RISK"]

_SHARE = (0.0, 1.0)


def _columns(kind: Kind, names: str, *, required: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, kind, required) for name in names.split())


def _with_ends(names: str) -> tuple[Column, ...]:
    """Scores, each with the ends of its 95 % interval."""
    return tuple(
        Column(f"{name}{end}", "real") for name in names.split() for end in ("", "_low", "_high")
    )


_KEYS = (
    *_columns("text", "dataset features protocol classifier", required=True),
    *_columns("text", "setup"),
)
_OF_INTERVALS = (
    *_columns("text", "unit"),
    *_columns("whole", "num_units"),
    *_columns("text", "no_interval stamp"),
)
CALIBRATION = Table(
    "calibration.csv",
    "a row for each configuration, before and after calibration",
    (
        *_KEYS,
        *_columns("text", "probabilities calibrated_by outputs", required=True),
        *_with_ends("ece ece_equal_width classwise_ece"),
        *_columns("real", "ece_if_calibrated ece_if_calibrated_95"),
        *_with_ends("brier nll aurc"),
        *_columns("real", "temperature temperature_least temperature_most"),
        *_columns("text", "note"),
        *_columns("whole", "n_test num_seeds", required=True),
        *_OF_INTERVALS,
    ),
)
"""`probabilities` is `raw` or `calibrated`; `outputs` are `probabilities`, or `decision values`
whose softmax stands for them. `ece` has bins of equal mass."""
RELIABILITY = Table(
    "reliability.csv",
    "a row for each configuration, class and bin of probabilities, before and after calibration",
    (
        *_KEYS,
        *_columns("text", "probabilities", required=True),
        *_columns("text", "label"),
        *_columns("whole", "bin", required=True),
        *_columns("real", "lower_edge upper_edge mean_probability share_true", required=True),
        *_columns("real", "share_true_low share_true_high"),
        *_columns("whole", "num_utterances", required=True),
        *_OF_INTERVALS,
    ),
)
"""`label` is empty for the most probable class, whatever it is."""
COVERAGE = Table(
    "coverage.csv",
    "a row for each configuration, kind of prediction set and group of test utterances",
    (
        *_KEYS,
        *_columns("text", "calibrated_by set_score exchangeable", required=True),
        Column("level", "real", required=True, bounds=_SHARE),
        *_columns("text", "group_kind", required=True),
        *_columns("text", "group"),
        *_with_ends("coverage mean_set_size share_of_one"),
        *_columns("real", "coverage_of_speakers least_coverage"),
        *_columns("text", "least_covered"),
        *_columns("whole", "num_calibrating"),
        *_columns("real", "most_level"),
        *_columns("text", "promise"),
        *_columns("whole", "n_test num_seeds", required=True),
        *_OF_INTERVALS,
    ),
)
"""`group_kind` is `all`, `label`, or `speaker` (or `session`). Where it is `all`, there are
`coverage_of_speakers`, in which each speaker weighs the same, and the speaker covered least."""
RISK = Table(
    "risk.csv",
    "a row for each configuration and share of utterances that are answered",
    (
        *_KEYS,
        *_columns("text", "probabilities", required=True),
        *_columns("real", "share_answered", required=True),
        *_columns("real", "least_probability"),
        *_with_ends("accuracy"),
        *_columns("whole", "n_test", required=True),
        *_OF_INTERVALS,
    ),
)
"""Accuracy of the most confident utterances: one minus the risk."""
CALIBRATION_TABLES = (CALIBRATION, RELIABILITY, COVERAGE, RISK)
