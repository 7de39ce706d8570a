"""What annotators of a declared corpus said: shares of each class, for every utterance."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.corpora.annotations import Annotation, count_annotations
from tokser.corpora.declared.declaration import Annotations, Declaration
from tokser.corpora.declared.fields import column_text, fill
from tokser.corpora.declared.paths import Listing
from tokser.corpora.declared.tables import Row, read_rows
from tokser.errors import CorpusError, list_some
from tokser.label_shares import (
    LabelShares,
    classes_with_shares,
    read_shares,
)

__all__ = ["add_shares"]

_NAME = "annotations"


def add_shares(
    declaration: Declaration,
    root: Path,
    listing: Listing,
    rows: Sequence[dict[str, Any]],
    fields_of: Mapping[str, Mapping[str, str]],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Add columns `label_<class>` and `num_annotators` to the rows of a manifest.

    They are made of the declared table of annotations, or of declared columns `label_<class>` that
    hold counts. A corpus that declares neither, or lacks the table, has no such columns.

    Args:
        declaration: The corpus.
        root: Its folder.
        listing: The files below it.
        rows: Of the manifest.
        fields_of: Fields of each recording, by its path.
        say: What is said goes there.

    Raises:
        CorpusError: The table is malformed, or holds classes that are not declared.
        InputError: An annotator says two things about an utterance, or counts are no numbers.
    """
    declared = classes_with_shares(declaration.columns)
    if declaration.annotations is None and not declared:
        return list(rows)
    ids = [row["id"] for row in rows]
    if declaration.annotations is not None:
        table = declaration.annotations
        said = list(_annotations(table, root, listing))
        if not said:
            return list(rows)
        keys = [fill(table.match, fields_of[row["path"]]) for row in rows]
        counts = count_annotations(said, keys, table=f"{root}, {_NAME}").loc[keys]
        bare = int((counts.sum(axis=1) == 0).sum())
        if bare:
            say(f"{root}: no annotation of {bare:,} of {len(rows):,} recordings")
        classes = sorted({*counts.columns, *_classes(table)})
        shares = LabelShares.of_counts(counts.reindex(columns=classes, fill_value=0).set_axis(ids))
    else:
        shares = read_shares(pd.DataFrame(list(rows), index=ids), root)
    columns = shares.columns().to_dict("records")
    return [row | column for row, column in zip(rows, columns, strict=True)]


def _classes(table: Annotations) -> set[str]:
    return {*table.label.values.values(), table.label.otherwise or ""} - {"", "{}"}


def _annotations(table: Annotations, root: Path, listing: Listing) -> Iterator[Annotation]:
    """Yield what stands in the table; its key is the id."""
    faults = []
    for number, row in enumerate(read_rows(_NAME, table, root, listing), start=1):
        try:
            label, fault = column_text(table.label, row, lambda path: "")
            key, annotator = fill(table.key, row), fill(table.annotator, row)
        except KeyError as error:
            raise _no_column(root, error, row) from error
        if fault:
            faults.append(f"row {number}: {fault}")
        yield Annotation(key, annotator, label, f"row {number}")
    if faults:
        raise CorpusError(
            f"{root}, {_NAME}",
            expected="the classes that the declaration names",
            got=list_some(faults, most=20),
            remedy="Correct `values` of the label, or name others with `otherwise`.",
        )


def _no_column(root: Path, error: KeyError, row: Row) -> CorpusError:
    return CorpusError(
        f"{root}, {_NAME}",
        expected=f"a column {error.args[0]!r}",
        got=list_some(list(row), most=30) or "no column",
        remedy="Use the table as it is published, or correct the declaration.",
    )
