"""The tables of scores by group."""

from tokser.experiments.results import TaskTables, keys_of
from tokser.experiments.table import Column, Table

__all__ = ["RECALL", "gaps_table", "groups_table"]

RECALL = "recall_"
"""How the columns begin that hold the recall of a class, and the ends of its interval."""


def groups_table(tables: TaskTables) -> Table:
    """Return `groups.csv`: the scores of a task by group."""
    scores = [c.name for c in tables.scores.columns if c.kind == "real"]
    names = [n for n in scores if "_fold_" not in n and not n.startswith("dev_")]
    return Table(
        "groups.csv",
        "a row for each configuration, column and group that is tested",
        (
            *keys_of(tables),
            *(Column(name, "text", required=True) for name in ("column", "group")),
            *(Column(name, "whole", required=True) for name in ("n_test", "num_speakers")),
            Column("num_classes", "whole"),
            *(Column(name, "real") for name in names),
            Column("unit", "text"),
            Column("num_units", "whole"),
            Column("no_interval", "text"),
            Column("num_seeds", "whole", required=True),
            Column("stamp", "text"),
        ),
        may_be_empty=True,
        more=RECALL,
    )


def gaps_table(tables: TaskTables) -> Table:
    """Return `gaps.csv`: the largest gap between groups of a column, in the task's metric."""
    return Table(
        "gaps.csv",
        "a row for each configuration and column",
        (
            *keys_of(tables),
            Column("column", "text", required=True),
            Column("num_groups", "whole", required=True),
            Column("highest", "text"),
            Column("highest_score", "real"),
            Column("lowest", "text"),
            *(Column(name, "real") for name in ("lowest_score", "gap", "low", "high")),
            Column("no_interval", "text"),
            *(Column(name, "real") for name in ("gap_by_chance", "p", "p_adjusted")),
            Column("no_test", "text"),
            Column("num_arrangements", "whole"),
            Column("unit", "text"),
            Column("num_units", "whole"),
            Column("num_classes", "whole"),
            *(Column(name, "text") for name in ("classes_left_out", "not_compared", "stamp")),
        ),
        may_be_empty=True,
    )
