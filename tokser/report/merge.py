"""Results of several folders as one table."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tokser.errors import InputError, list_some
from tokser.report.inputs import read_scores
from tokser.report.naming import natural_key

__all__ = ["merge_results", "merge_scores"]

_KEY = ("dataset", "features", "protocol", "target", "classifier", "setup")


def merge_results(folders: Sequence[Path]) -> pd.DataFrame:
    """Merge `results.csv` of several output folders of `tokser classify` into one table.

    Args:
        folders: The output folders.

    Returns:
        One row per configuration, with the columns of `results.csv`, sorted by dataset, features
        (layer 2 before layer 10), protocol, classifier and seed.

    Raises:
        MissingInputError: A folder has no `results.csv`; all such folders are named.
        InputError: A file holds something else, or two folders hold the same configuration.
    """
    return merge_scores(folders, read_scores(folders))


def merge_scores(folders: Sequence[Path], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Merge the scores read from `folders`; see `merge_results`.

    Args:
        folders: Where each table is from.
        tables: At least one, of one task.
    """
    known = set.intersection(*(set(table.columns) for table in tables))
    keys = [key for key in (*_KEY, "seeds" if "seeds" in known else "seed") if key in known]
    sources = [str(f) for f, table in zip(folders, tables, strict=True) for _ in range(len(table))]
    merged = pd.concat(list(tables), ignore_index=True)
    twice = merged.duplicated(keys, keep=False)
    if twice.any():
        rows = merged.loc[twice].index
        # The key's order groups equal configurations, so a message shows both of their folders.
        rows = sorted(rows, key=lambda i: [str(value) for value in merged.loc[i, keys]])
        names = [
            "/".join(str(merged.at[i, k]) for k in keys[1:] if merged.at[i, k] != "") for i in rows
        ]
        raise InputError(
            list_some(list(dict.fromkeys(sources[i] for i in rows))),
            expected="each configuration once",
            got=f"{merged.at[rows[0], 'dataset']}: {list_some(list(dict.fromkeys(names)))} twice",
            remedy="Name each folder once, and put results of different stores on separate pages.",
        )
    order = sorted(merged.index, key=lambda i: [natural_key(str(v)) for v in merged.loc[i, keys]])
    return merged.loc[order].reset_index(drop=True)
