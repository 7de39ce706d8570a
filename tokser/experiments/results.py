"""The tables of results: their files, columns, types and order, declared once.

Whatever writes a table of `tokser classify` or `tokser regress`, or reads one (the report, the
terminal, a reproduction), goes by this file:

    table = CLASSIFICATION.summary.read(folder / CLASSIFICATION.summary.file)

A column that is not `required` is blank in tables of versions that did not write it yet: texts are
empty, numbers missing. Names that later versions changed are read as what they are called now.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tokser.experiments.table import Column, Kind, Table, current_protocol

__all__ = [
    "CLASSIFICATION",
    "DISTRIBUTION",
    "LABELS",
    "MIX",
    "MULTILABEL",
    "PRESENT",
    "REGRESSION",
    "SHARED",
    "SHARES",
    "TASKS",
    "TRANSFER",
    "Column",
    "Table",
    "TaskTables",
    "current_protocol",
    "keys_of",
    "tables_in",
]

_SHARE = (0.0, 1.0)
MIX = "mix_"
"""How the columns of the grid begin that hold the weight of a layer in a mix."""


SHARES, PRESENT = "share_", "present_"
"""How the columns of predictions begin that hold what annotators said: the share of a class, or 1
where it is present."""


def _columns(kind: Kind, names: str, **options: Any) -> tuple[Column, ...]:
    return tuple(Column(name, kind, **options) for name in names.split())


def _needed(
    kind: Kind, names: str, bounds: tuple[float, float] | None = None
) -> tuple[Column, ...]:
    return _columns(kind, names, required=True, bounds=bounds)


def _with_ends(name: str, *, required: bool = False) -> tuple[Column, ...]:
    """A score and the ends of its 95 % interval, blank where there is none."""
    return (
        Column(name, "real", required, _SHARE),
        *_columns("real", f"{name}_low {name}_high"),
    )


@dataclass(frozen=True)
class TaskTables:
    """The tables that one task leaves in a folder.

    Attributes:
        task: `classification`, `distribution`, `multilabel` or `regression`.
        command: What writes them.
        metric: The score that dev selects by: its columns are `dev_<metric>` and so on.
        head: Column with the name of what was trained.
        has_targets: Whether a folder holds several targets, in the column `target`.
        scores: Test scores of each configuration and seed.
        summary: The same over seeds; None where there is no such table.
        classes: Recall, precision and F1 of each class; None without classes.
        confusion: Confusion matrices, a cell a row; None without classes.
        comparisons: Differences between feature sets.
        choices: What dev chose, fold by fold.
        grid: What was trained: every grid point of every fold.
        predictions: What was predicted for every test utterance.
    """

    task: Literal["classification", "distribution", "multilabel", "regression"]
    command: str
    metric: str
    head: str
    has_targets: bool
    scores: Table
    comparisons: Table
    choices: Table
    grid: Table
    predictions: Table
    summary: Table | None = None
    classes: Table | None = None
    confusion: Table | None = None

    @property
    def mixes(self) -> Table:
        """Weights of the layers of mixes, over folds and seeds."""
        return Table(
            "mix.csv",
            "a row for each configuration and layer of a mix",
            (
                *keys_of(self),
                *_needed("text", "layer"),
                *_needed("real", "weight", _SHARE),
                *_columns("real", "weight_low weight_high"),
                *_columns("text", "no_interval"),
                *_needed("whole", "num_folds num_seeds"),
                *_STAMP,
            ),
            may_be_empty=True,
        )

    @property
    def corpora(self) -> Table:
        """Test scores of each corpus, where several stores are read as one dataset."""
        scores = [c.name for c in self.scores.columns if c.kind == "real"]
        names = " ".join(n for n in scores if "_fold_" not in n and not n.startswith("dev_"))
        return Table(
            "corpora.csv",
            "a row for each configuration and corpus that is tested",
            (
                *keys_of(self),
                *_needed("text", "corpus"),
                *_columns("real", names),
                *_needed("whole", "n_test num_seeds"),
                *_OF_INTERVALS,
                *_STAMP,
            ),
        )

    @property
    def unit(self) -> tuple[str, ...]:
        """Columns that tell what was trained: features, protocol, target, head, seed."""
        target = ("target",) if self.has_targets else ()
        return ("features", "protocol", *target, self.head, "seed")

    @property
    def all(self) -> tuple[Table, ...]:
        """Every table that there always is: `mixes` only where layers are mixed."""
        found = (
            *(self.scores, self.summary, self.classes, self.confusion, self.comparisons),
            *(self.choices, self.grid, self.predictions),
        )
        return tuple(table for table in found if table is not None)


_OF_INTERVALS = (
    *_columns("text", "unit"),
    *_columns("whole", "num_units"),
    *_columns("text", "no_interval"),
)
_TESTED = (
    *_needed("whole", "n_test num_folds"),
    *_OF_INTERVALS,
    *_needed("text", "leaks"),
    *_columns("text", "stamp"),
)
_SEED = _needed("whole", "seed")
_STAMP = _columns("text", "stamp")


def _keys(between: str) -> tuple[Column, ...]:
    """Columns that tell one configuration from another."""
    named = _needed("text", f"dataset features protocol {between}")
    return (*named, *_columns("text", "setup"))


def keys_of(tables: TaskTables) -> tuple[Column, ...]:
    """Return the columns that tell one configuration of a task from another."""
    return _keys(f"target {tables.head}" if tables.has_targets else tables.head)


def _comparisons(between: str) -> Table:
    return Table(
        "comparisons.csv",
        "a row for each pair of feature sets",
        (
            *_needed("text", f"dataset protocol {between}"),
            *_columns("text", "setup"),
            *_needed("text", "first second"),
            *_needed("real", "difference"),
            *_columns("real", "low high"),
            *_columns("text", "no_interval"),
            *_columns("real", "p p_adjusted"),
            *_columns("text", "no_test unit"),
            *_columns("whole", "num_units"),
            *_STAMP,
        ),
        may_be_empty=True,
    )


def _choices(between: str, head: str, metric: str) -> Table:
    return Table(
        "choices.csv",
        "a row for each choice by dev and fold",
        (
            *_keys(between),
            *_SEED,
            *_needed("text", f"fold chosen chosen_{head}"),
            *_columns("real", f"dev_{metric}"),
            *_STAMP,
        ),
        may_be_empty=True,
    )


def _grid(between: str, metric: str, cost: Column) -> Table:
    return Table(
        "grid.csv",
        "a row for each configuration, fold and grid point",
        (
            *_columns("text", "dataset"),
            *_needed("text", f"features protocol {between}"),
            *_columns("whole", "seed"),
            *_needed("text", "fold"),
            *_columns("whole", "batch_size"),
            *_columns("real", "learning_rate"),
            Column("blocks_learning_rate", "real", is_sparse=True),
            *_columns("text", "hidden"),
            cost,
            Column("params", "text", is_sparse=True),
            *_columns("whole", "best_epoch"),
            *_needed("real", f"dev_{metric}"),
            *_columns("real", f"dev_{metric}_crossfit"),
            *_needed("flag", "selected"),
            *_columns("whole", "num_constant"),
            *_STAMP,
        ),
        may_be_empty=True,
        more=MIX,
    )


def _predictions(
    between: str, content: tuple[Column, ...], more: str | tuple[str, ...] = ""
) -> Table:
    return Table(
        "predictions.parquet",
        "a row for each configuration and test utterance",
        (
            *_needed("text", f"id features protocol {between}"),
            *_columns("whole", "seed"),
            *_needed("text", "fold"),
            *content,
            *_STAMP,
        ),
        more=more,
    )


_SCORES = (
    *_with_ends("uar", required=True),
    *_needed("real", "uar_chance", _SHARE),
    *_columns("real", "uar_fold_mean uar_fold_std"),
    *_with_ends("accuracy", required=True),
    *_columns("real", "accuracy_chance"),
    *_with_ends("macro_f1", required=True),
    *_columns("real", "macro_f1_chance"),
    *_needed("real", "weighted_f1", _SHARE),
    *_columns("real", "dev_uar"),
    *_needed("whole", "num_candidates"),
    *_TESTED,
)
CLASSIFICATION = TaskTables(
    task="classification",
    command="classify",
    metric="uar",
    head="classifier",
    has_targets=False,
    scores=Table(
        "results.csv",
        "a row for each configuration and seed",
        (*_keys("classifier"), *_SCORES, *_SEED),
    ),
    summary=Table(
        "summary.csv",
        "a row for each configuration, over seeds",
        (
            *(*_keys("classifier"), *_SCORES),
            *(*_columns("real", "uar_seed_std"), *_columns("whole", "num_seeds")),
            *_needed("text", "seeds"),
        ),
    ),
    classes=Table(
        "classes.csv",
        "a row for each configuration and class",
        (
            *(*_keys("classifier"), *_needed("text", "label")),
            *(column for name in ("recall", "precision", "f1") for column in _with_ends(name)),
            *(*_needed("whole", "support"), *_columns("whole", "num_seeds"), *_STAMP),
        ),
    ),
    confusion=Table(
        "confusion.csv",
        "a row for each configuration, label and prediction",
        (
            *(*_keys("classifier"), *_needed("text", "label prediction")),
            *(*_needed("whole", "count"), *_columns("whole", "num_seeds"), *_STAMP),
        ),
    ),
    comparisons=_comparisons("classifier"),
    choices=_choices("classifier", "classifier", "uar"),
    grid=_grid("classifier", "uar", Column("C", "real", is_sparse=True)),
    predictions=_predictions("classifier", _needed("text", "label prediction"), "probability_"),
)
REGRESSION = TaskTables(
    task="regression",
    command="regress",
    metric="ccc",
    head="regressor",
    has_targets=True,
    scores=Table(
        "regression.csv",
        "a row for each configuration, target and seed",
        (
            *_keys("target regressor"),
            *_needed("real", "ccc", (-1.0, 1.0)),
            *_columns("real", "ccc_low ccc_high ccc_fold_mean ccc_fold_std"),
            *_needed("real", "pearson", (-1.0, 1.0)),
            *_needed("real", "rmse"),
            *_columns("real", "rmse_chance"),
            *_needed("whole", "num_candidates"),
            *(*_TESTED, *_SEED),
        ),
    ),
    comparisons=_comparisons("target regressor"),
    choices=_choices("target regressor", "regressor", "ccc"),
    grid=_grid("target regressor", "ccc", Column("penalty", "real")),
    predictions=_predictions("target regressor", _needed("real", "truth prediction")),
)
_OF_SHARES = (
    *_with_ends("macro_f1", required=True),
    *_columns("real", "macro_f1_chance macro_f1_fold_mean macro_f1_fold_std"),
    *_needed("real", "kl_divergence"),
    *_columns("real", "kl_divergence_low kl_divergence_high kl_divergence_chance"),
    *_with_ends("uar", required=True),
    *_columns("real", "uar_chance"),
    *_with_ends("accuracy", required=True),
    *_columns("real", "accuracy_chance"),
    *_columns("whole", "n_plurality"),
    *_columns("real", "dev_macro_f1"),
    *_needed("whole", "num_candidates"),
    *_TESTED,
)
_OVER_SEEDS = (*_columns("whole", "num_seeds"), *_needed("text", "seeds"))
DISTRIBUTION = TaskTables(
    task="distribution",
    command="classify",
    metric="macro_f1",
    head="classifier",
    has_targets=False,
    scores=Table(
        "distribution.csv",
        "a row for each configuration and seed",
        (*_keys("classifier"), *_OF_SHARES, *_SEED),
    ),
    summary=Table(
        "summary.csv",
        "a row for each configuration, over seeds",
        (*_keys("classifier"), *_OF_SHARES, *_columns("real", "macro_f1_seed_std"), *_OVER_SEEDS),
    ),
    classes=CLASSIFICATION.classes,
    confusion=CLASSIFICATION.confusion,
    comparisons=_comparisons("classifier"),
    choices=_choices("classifier", "classifier", "macro_f1"),
    grid=_grid("classifier", "macro_f1", Column("C", "real", is_sparse=True)),
    predictions=_predictions(
        "classifier", _needed("text", "label prediction"), ("probability_", SHARES)
    ),
)
_OF_PRESENCE = (
    *_with_ends("mean_ap", required=True),
    *_columns("real", "mean_ap_chance mean_ap_fold_mean mean_ap_fold_std"),
    *_with_ends("macro_f1", required=True),
    *_columns("real", "macro_f1_chance"),
    *_columns("real", "dev_mean_ap"),
    *_needed("whole", "num_candidates"),
    *_TESTED,
)
MULTILABEL = TaskTables(
    task="multilabel",
    command="classify",
    metric="mean_ap",
    head="classifier",
    has_targets=False,
    scores=Table(
        "multilabel.csv",
        "a row for each configuration and seed",
        (*_keys("classifier"), *_OF_PRESENCE, *_SEED),
    ),
    summary=Table(
        "summary.csv",
        "a row for each configuration, over seeds",
        (*_keys("classifier"), *_OF_PRESENCE, *_columns("real", "mean_ap_seed_std"), *_OVER_SEEDS),
    ),
    classes=Table(
        "classes.csv",
        "a row for each configuration and class",
        (
            *(*_keys("classifier"), *_needed("text", "label")),
            Column("average_precision", "real", False, _SHARE),
            *_columns("real", "average_precision_low average_precision_high"),
            *_columns("real", "average_precision_chance"),
            *(column for name in ("recall", "precision", "f1") for column in _with_ends(name)),
            *(*_needed("whole", "support"), *_columns("whole", "num_seeds"), *_STAMP),
        ),
    ),
    comparisons=_comparisons("classifier"),
    choices=_choices("classifier", "classifier", "mean_ap"),
    grid=_grid("classifier", "mean_ap", Column("C", "real", is_sparse=True)),
    predictions=_predictions(
        "classifier", _needed("text", "label prediction"), ("probability_", PRESENT)
    ),
)
TASKS = {tables.task: tables for tables in (CLASSIFICATION, DISTRIBUTION, MULTILABEL, REGRESSION)}


def tables_in(folder: Path) -> TaskTables:
    """Tell the tables of a folder by what lies there: those of classification unless others do."""
    others = (REGRESSION, DISTRIBUTION, MULTILABEL)
    found = (tables for tables in others if (folder / tables.scores.file).exists())
    return next(found, CLASSIFICATION)


TRANSFER = Table(
    "transfer.csv",
    "a row for each configuration, training corpus and test corpus",
    (
        *_keys("classifier"),
        *_needed("text", "train test kind"),
        *_needed("whole", "num_train num_dev"),
        *_SCORES,
        *_columns("real", "uar_seed_std"),
        *_columns("whole", "num_seeds"),
    ),
)
"""The matrix of corpora; `kind` is within, across or others (trained on all the others)."""
LABELS = Table(
    "labels.csv",
    "a row for each corpus and label",
    (
        *_needed("text", "corpus"),
        *_columns("text", "label class"),
        *_needed("whole", "num_utterances"),
        *_columns("text", "left_out"),
    ),
)
"""What became of each label across corpora: its class, or why it is left out."""
SHARED = Table(
    "shared.csv",
    "a row for each protocol, pair of parts and kind of group",
    (
        *_needed("text", "protocol kind first second"),
        *_needed("whole", "num_folds num_folds_sharing num_shared"),
        *_columns("text", "fold"),
        *_columns("whole", "num_first num_second num_utterances num_unknown"),
        *_columns("text", "examples"),
    ),
    may_be_empty=True,
)
"""What the parts of splits share: groups (speakers, sessions, sentences, recordings) in both parts,
in the fold that shares most."""
