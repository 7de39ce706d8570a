"""The engine that reads a declared corpus: files or rows of a table become utterances."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any, NamedTuple

from tokser.corpora.declared.annotators import add_shares
from tokser.corpora.declared.declaration import Column, Declaration, Subset
from tokser.corpora.declared.fields import column_text, fill
from tokser.corpora.declared.left_out import say_what_is_left_out
from tokser.corpora.declared.paths import Listing, list_files
from tokser.corpora.declared.tables import JoinedTable, read_rows
from tokser.corpora.manifest import COLUMNS, Manifest, probe_recordings
from tokser.corpora.text_file import read_text
from tokser.errors import CorpusError, ManifestError, MissingInputError, list_some
from tokser.progress import warn

__all__ = ["expression_of", "list_utterances", "scan_declared"]

_TEXTS = tuple(name for name in COLUMNS if name not in ("num_samples", "sampling_rate_hz"))
_COMPARED_BYTES = 1 << 20


class _Found(NamedTuple):
    """An utterance before its columns are made."""

    where: str
    path: str
    fields: Mapping[str, str]


class _Fields(dict[str, str]):
    """Fields of an utterance; those of tables that are not there are empty."""

    def __init__(self, known: Mapping[str, str], absent: frozenset[str]) -> None:
        super().__init__(known)
        self._absent = absent

    def __missing__(self, name: str) -> str:
        if name.partition(".")[0] in self._absent:
            return ""
        raise KeyError(name)


def scan_declared(declaration: Declaration, root: Path, *, subset: str = "all") -> Manifest:
    """List the utterances of a declared corpus, and read the headers of its recordings.

    Args:
        declaration: The corpus.
        root: Its folder.
        subset: One of its subsets, or `all`.

    Returns:
        The manifest; recordings that cannot be read are its faults.

    Raises:
        CorpusError: Names or tables hold what is not declared; all of it is named.
        MissingInputError: A table is missing that the subset needs.
        ManifestError: Different recordings share an id.
    """
    rows = list_utterances(declaration, root, subset=subset)
    manifest = probe_recordings(declaration.dataset, root, rows)
    _compare_rates(declaration, manifest)
    return manifest


def list_utterances(
    declaration: Declaration, root: Path, *, subset: str = "all", quiet: bool = False
) -> list[dict[str, Any]]:
    """List the utterances of a declared corpus without opening a recording.

    Args:
        declaration: The corpus.
        root: Its folder.
        subset: One of its subsets, or `all`.
        quiet: Whether nothing is said about what is left out.

    Returns:
        Rows of the manifest by column.

    Raises:
        CorpusError: As `scan_declared`.
        MissingInputError: As `scan_declared`.
        ManifestError: As `scan_declared`.
    """
    say: Callable[[str], None] = (lambda text: None) if quiet else warn
    listing = list_files(root)
    chosen = declaration.subsets.get(subset, Subset())
    tables = {
        name: JoinedTable(name, table, root, listing)
        for name, table in declaration.tables.items()
        if declaration.rows is None or name != declaration.rows.table
    }
    missing = [name for name, table in tables.items() if not table.is_there]
    say_what_is_left_out(declaration, root, listing, missing, say)
    _require(chosen, subset, tables, declaration, root)
    found = list(
        _recordings(declaration, root, listing, say)
        if declaration.rows is None
        else _utterances_of_rows(declaration, root, listing)
    )
    columns = _columns(declaration, chosen)
    read = partial(_text_file, root, {path.lower(): path for path in listing.paths})
    rows, faults = [], []
    bare: Counter[str] = Counter()
    absent = frozenset(name for name, table in tables.items() if not table.is_there)
    for one in found:
        fields = _Fields(one.fields, absent)
        for name, table in tables.items():
            joined, has_row = table.fields(one.fields)
            fields |= joined
            bare[name] += not has_row and table.is_there
        row, wrong = _row(one, columns, fields, read, declaration)
        faults += [f"{one.where}: {fault}" for fault in wrong]
        rows.append(row)
    if faults:
        raise _malformed(declaration, root, faults)
    for name, number in bare.items():
        if number:
            say(f"{root}: no row in the table {name!r} for {number:,} of {len(rows):,} recordings")
    kept = _one_each(_in_subset(rows, chosen), root, say)
    return add_shares(
        declaration, root, listing, kept, {one.path: one.fields for one in found}, say
    )


def expression_of(declaration: Declaration) -> "re.Pattern[str]":
    """Return the expression that the path of a recording, without its ending, matches whole."""
    pattern = declaration.files.pattern if declaration.files is not None else "(?!)"
    return re.compile(rf"(?:.*/)?(?:{pattern})")


def _recordings(
    declaration: Declaration, root: Path, listing: Listing, say: Callable[[str], None]
) -> Iterator[_Found]:
    """Yield the recordings whose names are those of the corpus; say which others there are."""
    files = declaration.files
    assert files is not None  # a declaration has files or rows
    expression = expression_of(declaration)
    others = []
    for path in listing.matching(files.include, files.exclude):
        stem = str(PurePosixPath(path).with_suffix(""))
        match = expression.fullmatch(stem)
        if match is None:
            others.append(path)
            continue
        groups = {name: text or "" for name, text in match.groupdict().items()}
        yield _Found(path, path, _of_path(path) | groups)
    if others and files.others == "refuse":
        raise _malformed(declaration, root, [f"{path} has another name" for path in others])
    if others:
        number = "1 recording" if len(others) == 1 else f"{len(others):,} recordings"
        say(f"{root}: ignoring {number} not named as in {declaration.layout}: {list_some(others)}")


def _utterances_of_rows(declaration: Declaration, root: Path, listing: Listing) -> Iterator[_Found]:
    """Yield the utterances that a table lists."""
    rows = declaration.rows
    assert rows is not None  # a declaration has files or rows
    name = rows.table
    known = {path.lower(): path for path in listing.paths}
    for number, row in enumerate(read_rows(name, declaration.tables[name], root, listing), 1):
        try:
            path = normpath(fill(rows.path, row))
        except KeyError as error:
            raise _no_field(f"table {name!r}", error, row) from error
        path = known.get(path.lower(), path)
        if path.startswith(("/", "..")):
            raise _malformed(declaration, root, [f"path {path!r} is outside of the corpus"])
        own = {f"{name}.{column}": text for column, text in row.items()}
        yield _Found(f"row {number} of {name}", path, row | own | _of_path(path))


def _of_path(path: str) -> dict[str, str]:
    whole = PurePosixPath(path)
    return {"name": whole.stem, "path": path, "folder": whole.parent.as_posix()}


def _columns(declaration: Declaration, subset: Subset) -> dict[str, Column]:
    """Return how every column is made, in the manifest's order."""
    language = declaration.languages[0] if len(declaration.languages) == 1 else ""
    made = {name: Column() for name in _TEXTS if name != "path"}
    made |= {"id": Column(value="{name}"), "language": Column(value=language)}
    made |= declaration.columns
    return made if subset.label is None else made | {"label": subset.label}


def _row(
    one: _Found,
    columns: Mapping[str, Column],
    fields: Mapping[str, str],
    read: Callable[[str], str],
    declaration: Declaration,
) -> tuple[dict[str, Any], list[str]]:
    """Return a row of the manifest, and what is wrong with it."""
    row: dict[str, Any] = {"id": "", "path": one.path}
    faults = []
    for name, column in columns.items():
        try:
            row[name], fault = column_text(column, fields, read)
        except KeyError as error:
            raise _no_field(f"column {name!r} of {declaration.dataset}", error, fields) from error
        if fault:
            faults.append(f"{name} {fault}")
    if not row["id"]:
        faults.append("no id")
    return row, faults


def _text_file(root: Path, known: Mapping[str, str], path: str) -> str:
    """Return the text of a file of the corpus; empty where there is none."""
    found = known.get(normpath(path).lower())
    return read_text(root / found) if found is not None else ""


def _require(
    chosen: Subset,
    subset: str,
    tables: Mapping[str, JoinedTable],
    declaration: Declaration,
    root: Path,
) -> None:
    missing = [name for name in chosen.needs if not tables[name].is_there]
    if missing:
        raise MissingInputError(
            root,
            expected=f"{list_some(declaration.tables[missing[0]].files)}, which the subset "
            f"{subset} of {declaration.dataset} needs",
            got="no such file",
            remedy="Fetch it with the corpus, or use `--subset all`.",
        )


def _in_subset(rows: Sequence[dict[str, Any]], subset: Subset) -> list[dict[str, Any]]:
    kept = [
        row
        for row in rows
        if all(row[column] in texts for column, texts in subset.keep.items())
        and not any(row[column] in texts for column, texts in subset.drop.items())
        and all(row[name] and float(row[name]) >= least for name, least in subset.at_least.items())
    ]
    for row in kept:
        row["label"] = subset.relabel.get(row["label"], row["label"])
    return kept


def _one_each(
    rows: Sequence[dict[str, Any]], root: Path, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Keep one of several copies of a recording; different recordings of one id are an error."""
    by_id: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_id[row["id"]].append(row)
    kept, copies, clashes = [], [], []
    for utterance, same in by_id.items():
        same.sort(key=lambda row: (row["path"].count("/"), row["path"]))
        kept.append(same[0])
        others = [row["path"] for row in same[1:]]
        if all(_are_equal(root / same[0]["path"], root / other) for other in others):
            copies += others
        else:
            clashes.append(f"{utterance}: {same[0]['path']}, {', '.join(others)}")
    if clashes:
        raise ManifestError(
            root,
            expected="one recording for each id",
            got=list_some(clashes, most=20),
            remedy="Remove the recordings that are too many.",
        )
    if copies:
        say(f"{root}: ignoring {len(copies):,} copies of recordings: {list_some(copies)}")
    return kept


def _are_equal(first: Path, second: Path) -> bool:
    """Tell whether two files hold the same bytes."""
    try:
        if first.stat().st_size != second.stat().st_size:
            return False
        with first.open("rb") as one, second.open("rb") as other:
            while block := one.read(_COMPARED_BYTES):
                if block != other.read(_COMPARED_BYTES):
                    return False
    except OSError:
        return False
    return True


def _compare_rates(declaration: Declaration, manifest: Manifest) -> None:
    """Warn of recordings whose sampling rate is not the published one."""
    expected = declaration.audio.sampling_rate_hz
    rates = Counter(manifest.table["sampling_rate_hz"][manifest.table["sampling_rate_hz"].ne(0)])
    others = {rate: number for rate, number in sorted(rates.items()) if rate != expected}
    if expected is not None and others:
        found = ", ".join(f"{number:,} of {rate:,} Hz" for rate, number in others.items())
        warn(f"{manifest.root}: recordings {found}; {declaration.title} has {expected:,} Hz")


def _no_field(where: str, error: KeyError, fields: Mapping[str, str]) -> CorpusError:
    return CorpusError(
        where,
        expected=f"a field {error.args[0]!r}",
        got=list_some(sorted(fields), most=30) or "none",
        remedy="Use the tables as they are published, or correct the declaration.",
    )


def _malformed(declaration: Declaration, root: Path, faults: Sequence[str]) -> CorpusError:
    return CorpusError(
        root,
        expected=f"{declaration.title or declaration.dataset}: {declaration.layout}",
        got=list_some(faults, most=20),
        remedy="Remove or rename these files, or fetch the corpus again.",
    )
