"""Stage 0: scan a corpus, or read a table, into a manifest."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from tokser.corpora.manifest import Manifest, probe_recordings
from tokser.corpora.registry import scan_corpus
from tokser.corpora.tables.audformat import read_audformat
from tokser.corpora.tables.delimited import read_delimited
from tokser.corpora.tables.emobox import read_emobox
from tokser.corpora.tables.lhotse import read_lhotse
from tokser.corpora.tables.records import Naming, Record, rows_of
from tokser.errors import MissingInputError, SettingsError
from tokser.progress import say

__all__ = ["TableKind", "manifest", "manifest_of_table"]

TableKind = Literal["csv", "audformat", "lhotse", "emobox"]


def manifest(
    dataset: str, root: Path, out: Path | None, *, splits: tuple[str, ...] = (), subset: str = "all"
) -> Manifest:
    """Scan a corpus, write its manifest if `out` is given, and return it.

    Raises:
        InputError: `root` is missing, or holds another corpus.
    """
    return _written(scan_corpus(dataset, root, splits=splits, subset=subset), out)


def manifest_of_table(
    kind: TableKind,
    root: Path,
    tables: Sequence[str],
    out: Path | None,
    naming: Naming | None = None,
) -> Manifest:
    """Read a table of one's own, write the manifest if `out` is given, and return it.

    Args:
        kind: Who wrote the table.
        root: The folder that its paths are relative to; `audformat`: the database.
        tables: Files; `audformat`: names of the database's tables.
        out: The manifest, which `tokser extract --manifest` takes.
        naming: How columns and labels are called in the table.

    Raises:
        InputError: `root` or a table is missing, or malformed.
        MissingPackageError: The package that reads it is not installed.
    """
    if not root.is_dir():
        raise MissingInputError(
            root,
            expected="the folder that paths are relative to",
            got="a file" if root.exists() else "no such folder",
            remedy="Correct --root.",
        )
    records = _records(kind, root, tables)
    name = ", ".join(Path(table).name for table in tables)
    rows = rows_of(records, table=name, root=root, naming=naming or Naming())
    return _written(probe_recordings(kind, root, rows), out)


def _records(kind: TableKind, root: Path, tables: Sequence[str]) -> Iterator[Record]:
    if kind == "audformat":
        return read_audformat(root, tables)
    paths = [Path(table) for table in tables]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise MissingInputError(
            missing[0], expected=f"a table ({kind})", got="no such file", remedy="Correct --table."
        )
    if not paths or (kind == "csv" and len(paths) > 1):
        raise SettingsError(
            "--table",
            expected="one CSV file" if kind == "csv" else f"files of {kind}",
            got=f"{len(paths)}",
            remedy="Name it with `--table FILE`.",
        )
    if kind == "csv":
        return read_delimited(paths[0])
    return read_lhotse(paths) if kind == "lhotse" else read_emobox(paths)


def _written(scanned: Manifest, out: Path | None) -> Manifest:
    if out is not None:
        scanned.write(out)
        say(f"{len(scanned.table)} utterances -> {out}")
    return scanned
