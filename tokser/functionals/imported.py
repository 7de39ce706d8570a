"""Features of whole utterances that were computed elsewhere, taken into a store from a file."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.errors import (
    InputError,
    MissingInputError,
    SettingsError,
    StoreMismatchError,
    list_some,
)
from tokser.functionals.group_plan import functionals_plan
from tokser.names import Name
from tokser.provenance import COLUMNS, IMPORTED, UTTERANCE_LEVEL, digest_of, sha256_of_file
from tokser.store import Store
from tokser.store.feature_name import FUNCTIONALS, rows_group
from tokser.store.write_computed import ComputedRows, write_computed

__all__ = ["Imported", "import_functionals", "read_features"]

ID, IDS, VALUES = "id", "ids", "values"
"""Column of a CSV file with ids; arrays of an npz file with ids and values."""
_MOST_COLUMNS = 1_000
"""Names of columns that a store keeps."""


@dataclass(frozen=True)
class Imported:
    """What was taken in.

    Attributes:
        feature: Its name in the store.
        dim: Numbers of each utterance.
        num_utterances: Utterances that have it.
        lacking: Those of the store that the file does not name.
    """

    feature: str
    dim: int
    num_utterances: int
    lacking: tuple[str, ...]


def import_functionals(store: Store, file: Path, name: str) -> Imported:
    """Take features of whole utterances into a store, as functionals.

    Args:
        store: The store.
        file: CSV with a column `id` and a column for each number; or npz with `ids` [utterances],
            `values` [utterances, dim] and perhaps `columns` [dim].
        name: Name of the group; the feature is `NAME/functionals`.

    Raises:
        SettingsError: The name is not free.
        InputError: The file is not what it should be, or names utterances that the store lacks.
        StoreMismatchError: The store has other features of this name; nothing was changed.
    """
    Name.of(name, "--name")
    groups = {rows_group(group).casefold(): group for group in store.groups}
    found = groups.get(name.casefold())
    if found is not None and not _is_imported(store, found):
        raise SettingsError(
            f"--name {name}",
            expected=f"a name that no encoder or run has in {store.path}",
            got=f"that of {found}",
            remedy="Choose another name; nothing was changed.",
        )
    if found is not None:
        _require_same_file(store, found, file)
    table = read_features(file)
    unknown = [one for one in table.index if one not in set(store.ids)]
    if unknown:
        raise InputError(
            file,
            expected=f"ids of utterances in {store.path}, such as {list_some(store.ids, most=2)}",
            got=f"{len(unknown)} that are not there: {list_some(unknown)}",
            remedy="Correct the ids, or leave these rows out; nothing was changed.",
        )
    lacking = tuple(one for one in store.ids if one not in table.index)
    source: dict[str, Any] = {
        "model": name,
        "model_type": IMPORTED,
        "file": file.name,
        "file_sha256": sha256_of_file(file),
        "columns_sha256": digest_of(list(table.columns)),
        UTTERANCE_LEVEL: [FUNCTIONALS],
    }
    if table.shape[1] <= _MOST_COLUMNS:
        source[COLUMNS] = {FUNCTIONALS: list(table.columns)}
    lengths = np.array([one in table.index for one in store.ids], dtype=np.int64)
    dims = {FUNCTIONALS: table.shape[1]}
    plan = functionals_plan(name, dims, lengths, source, utterance_level=True)

    def compute(ids: list[str], _: Collection[str]) -> ComputedRows:
        rows: NDArray[np.float32] = table.loc[ids].to_numpy(dtype=np.float32)
        return {FUNCTIONALS: {one: row[None] for one, row in zip(ids, rows, strict=True)}}

    write_computed(
        store,
        plan,
        compute,
        usable=set(table.index),
        reasons=dict.fromkeys(lacking, f"not in {file.name}"),
        label=f"import {name}",
    )
    return Imported(f"{name}/{FUNCTIONALS}", table.shape[1], len(table), lacking)


def read_features(file: Path) -> pd.DataFrame:
    """Read features of utterances, float32 [utterances, dim]; index = id.

    Raises:
        MissingInputError: There is no such file.
        InputError: It has another form, an id occurs twice, or a cell is no finite number.
    """
    if not file.is_file():
        raise MissingInputError(
            file,
            expected="a CSV or npz file of features",
            got="a folder" if file.is_dir() else "no such file",
            remedy="Correct the path.",
        )
    table = _read_npz(file) if file.suffix.lower() == ".npz" else _read_csv(file)
    if table.empty:
        raise _malformed(file, f"{len(table)} rows and {table.shape[1]} columns of numbers")
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise _malformed(file, f"ids that occur twice: {list_some(list(dict.fromkeys(twice)))}")
    numbers = table.apply(pd.to_numeric, errors="coerce")
    with np.errstate(over="ignore"):
        values = numbers.to_numpy(dtype=np.float32, na_value=np.nan)
    broken = np.argwhere(~np.isfinite(values))
    if len(broken):
        cells = [
            f"{table.index[row]}, {table.columns[column]}: {table.iat[row, column]!s}"
            for row, column in broken[:3]
        ]
        raise _malformed(file, list_some(cells, num_all=len(broken)))
    return pd.DataFrame(values, index=table.index, columns=[str(c) for c in table.columns])


def _read_csv(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise _malformed(file, f"{type(error).__name__}: {error}") from error
    if ID not in table:
        raise _malformed(file, f"the columns {list_some(list(table.columns))}")
    return table.set_index(ID)


def _read_npz(file: Path) -> pd.DataFrame:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            content = {key: arrays[key] for key in (IDS, VALUES, COLUMNS) if key in arrays}
            names = list(arrays)
    except (ValueError, OSError, EOFError, KeyError) as error:
        raise _malformed(file, f"{type(error).__name__}: {error}") from error
    if not {IDS, VALUES} <= set(content):
        raise _malformed(file, f"the arrays {list_some(names) or 'none'}")
    ids, values = content[IDS], content[VALUES]
    if ids.ndim != 1 or values.ndim != 2 or len(ids) != len(values):
        raise _malformed(file, f"{IDS} {ids.shape} and {VALUES} {values.shape}")
    if values.dtype.kind not in "fiub":
        raise _malformed(file, f"{VALUES} of type {values.dtype}")
    columns = content.get(COLUMNS, np.array([f"{FUNCTIONALS}_{i}" for i in range(values.shape[1])]))
    if columns.shape != values.shape[1:]:
        raise _malformed(file, f"{COLUMNS} {columns.shape} and {VALUES} {values.shape}")
    return pd.DataFrame(values, index=pd.Index([str(i) for i in ids], name=ID), columns=columns)


def _malformed(file: Path, got: str) -> InputError:
    return InputError(
        file,
        expected=f"CSV with a column {ID!r}, or npz with {IDS!r} [utterances] and {VALUES!r} "
        "[utterances, dim]; every id once, every number finite",
        got=got,
        remedy="Correct the file; nothing was changed.",
    )


def _require_same_file(store: Store, group: str, file: Path) -> None:
    """Raise unless the features of a group were imported from this file."""
    if not file.is_file():
        return  # said by whoever reads it
    source = store.group(group).provenance["source"]
    digest = sha256_of_file(file)
    if source["file_sha256"] != digest:
        name = rows_group(group)
        raise StoreMismatchError(
            f"{store.path}, {name}",
            expected=f"{source['file']} as in the store (sha256 {source['file_sha256'][:12]})",
            got=f"{file.name} (sha256 {digest[:12]})",
            remedy=f"Choose another --name, or remove the old ones with `tokser store drop "
            f"{store.path} {group}`.",
        )


def _is_imported(store: Store, group: str) -> bool:
    source = store.group(group).provenance.get("source", {})
    return bool(source.get("model_type") == IMPORTED)
