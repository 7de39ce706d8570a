"""Results of several folders as one table.

A row that several folders have, for instance a baseline that each of them scored, is kept once.
Where folders differ in the same configuration, because their stores have features of the same name,
each of their rows gets a `source`: the name of the store, or of the folder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tokser.errors import InputError, list_some
from tokser.report.inputs import TABLES, Experiment, read_scores
from tokser.report.naming import natural_key

__all__ = ["merge_results", "merge_scores", "name_sources"]

_KEY = ("dataset", "features", "protocol", "target", "classifier", "setup", "source")
_FOLDER = "results folder"


def merge_results(folders: Sequence[Path]) -> pd.DataFrame:
    """Merge `results.csv` of several output folders of `tokser classify` into one table.

    Args:
        folders: The output folders.

    Returns:
        One row per configuration, with the columns of `results.csv`, sorted by dataset, features
        (layer 2 before layer 10), protocol, classifier and seed.

    Raises:
        MissingInputError: A folder has no `results.csv`; all such folders are named.
        InputError: A file holds something else, or two folders differ in a configuration.
    """
    return merge_scores(folders, read_scores(folders))


def merge_scores(folders: Sequence[Path], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Merge the scores read from `folders`; see `merge_results`.

    Args:
        folders: Where each table is from.
        tables: At least one, of one task.
    """
    keys, merged = _keys(tables), _joined(folders, tables)
    twice = merged.duplicated(keys, keep=False)
    if twice.any():
        rows = merged.loc[twice].index
        # The key's order groups equal configurations, so a message shows both of their folders.
        rows = sorted(rows, key=lambda i: [str(value) for value in merged.loc[i, keys]])
        names = [
            "/".join(str(merged.at[i, k]) for k in keys[1:] if merged.at[i, k] != "") for i in rows
        ]
        raise InputError(
            list_some(list(dict.fromkeys(merged.loc[rows, _FOLDER]))),
            expected="the same scores for the same configuration",
            got=f"{merged.at[rows[0], 'dataset']}: {list_some(list(dict.fromkeys(names)))} twice",
            remedy="Merge results of different stores or settings separately.",
        )
    order = sorted(merged.index, key=lambda i: [natural_key(str(v)) for v in merged.loc[i, keys]])
    return merged.loc[order].drop(columns=_FOLDER).reset_index(drop=True)


def name_sources(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Name the source of every row where folders differ in the same configuration.

    Args:
        experiments: Folders of one task.

    Returns:
        The same folders; the column `source` of their tables stays empty where nothing needs it.
    """
    named = list(experiments)
    for names in _namings(experiments):
        named = [_named(one, name) for one, name in zip(experiments, names, strict=True)]
        tables = [one.scores for one in named]
        merged = _joined([one.folder for one in named], tables)
        if not merged.duplicated(_keys(tables)).any():
            break
    return named


def _namings(experiments: Sequence[Experiment]) -> Iterator[list[str]]:
    """Yield names of the folders, the shortest first."""
    yield [""] * len(experiments)
    yield [Path(str(one.settings.get("store", ""))).stem or one.folder.name for one in experiments]
    yield [one.folder.name for one in experiments]
    yield [str(one.folder) for one in experiments]


def _named(experiment: Experiment, source: str) -> Experiment:
    tables = {name: getattr(experiment, name).assign(source=source) for name in TABLES}
    return replace(experiment, **tables)


def _keys(tables: Sequence[pd.DataFrame]) -> list[str]:
    known = set.intersection(*(set(table.columns) for table in tables))
    return [key for key in (*_KEY, "seeds" if "seeds" in known else "seed") if key in known]


def _joined(folders: Sequence[Path], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join tables, each row with its folder; rows that are equal in all that is scored once."""
    parts = [t.assign(**{_FOLDER: str(f)}) for f, t in zip(folders, tables, strict=True)]
    merged = pd.concat(parts, ignore_index=True)
    shared = set.intersection(*(set(table.columns) for table in tables))
    same = [column for column in merged.columns if column in shared]
    return merged[~merged.duplicated(same)].reset_index(drop=True)
