"""Stage 0: scan a corpus, or read a table, into a manifest."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from tokser.corpora.annotations import read_annotations
from tokser.corpora.label_rule import LabelRule, label_utterances
from tokser.corpora.manifest import Manifest, probe_recordings
from tokser.corpora.registry import scan_corpus
from tokser.corpora.tables.audformat import read_audformat
from tokser.corpora.tables.delimited import read_delimited
from tokser.corpora.tables.emobox import find_folds, read_emobox, read_folds
from tokser.corpora.tables.lhotse import read_lhotse
from tokser.corpora.tables.records import Naming, Record, rows_of
from tokser.errors import InputError, MissingInputError, SettingsError, list_some
from tokser.progress import say
from tokser.provenance import write_atomically

__all__ = ["TableKind", "manifest", "manifest_of_table"]

TableKind = Literal["csv", "audformat", "lhotse", "emobox"]


def manifest(
    dataset: str,
    root: Path,
    out: Path | None,
    *,
    splits: tuple[str, ...] = (),
    subset: str = "all",
    corpus: Path | None = None,
    rule: LabelRule | None = None,
    annotations: Path | None = None,
) -> Manifest:
    """Scan a corpus, write its manifest if `out` is given, and return it.

    Args:
        dataset: Its name.
        root: Its folder.
        out: The manifest.
        splits: Parts of LibriSpeech.
        subset: `all`, or a subset that it declares.
        corpus: Its declaration, if it is one of one's own.
        rule: How utterances get their label; None: as the corpus has it.
        annotations: What several annotators said (CSV: id, annotator, label).

    Raises:
        InputError: `root` is missing, or holds another corpus, or annotations are not what they
            should be.
    """
    said = None if annotations is None else read_annotations(annotations)
    scanned = scan_corpus(dataset, root, splits=splits, subset=subset, corpus=corpus)
    table = annotations or dataset
    return _written(label_utterances(scanned, rule or LabelRule(), said, table), out)


def manifest_of_table(
    kind: TableKind,
    root: Path,
    tables: Sequence[str],
    out: Path | None,
    naming: Naming | None = None,
    splits_out: Path | None = None,
    *,
    rule: LabelRule | None = None,
    annotations: Path | None = None,
) -> Manifest:
    """Read a table of one's own, write the manifest if `out` is given, and return it.

    Args:
        kind: Who wrote the table.
        root: The folder that its paths are relative to; `audformat`: the database.
        tables: Files; `audformat`: names of the database's tables.
        out: The manifest, which `tokser extract --manifest` takes.
        naming: How columns and labels are called in the table.
        splits_out: `emobox`: file of its folds, which `tokser classify --splits` takes; where no
            file of folds is among the tables, those next to the dataset's own are read.
        rule: How utterances get their label; None: as the table has it.
        annotations: What several annotators said (CSV: id, annotator, label).

    Raises:
        InputError: `root` or a table is missing, or malformed, or has no folds to write, or
            annotations are not what they should be.
        MissingPackageError: The package that reads it is not installed.
    """
    if not root.is_dir():
        raise MissingInputError(
            root,
            expected="the folder that paths are relative to",
            got="a file" if root.exists() else "no such folder",
            remedy="Correct --root.",
        )
    said = None if annotations is None else read_annotations(annotations)
    folds: list[Path] = []
    if splits_out is not None:
        folds = _fold_files(kind, tables, naming)
        tables = list(dict.fromkeys([*tables, *map(str, folds)]))
    records = _records(kind, root, tables)
    name = ", ".join(Path(table).name for table in tables)
    rows = rows_of(records, table=name, root=root, naming=naming or Naming())
    splits = _splits_of(folds, [row["id"] for row in rows]) if folds else ""
    probed = probe_recordings(kind, root, rows)
    labelled = label_utterances(probed, rule or LabelRule(), said, annotations or name)
    scanned = _written(labelled, out)
    if splits_out is not None:
        write_atomically(splits_out, splits.encode())
        say(f"folds -> {splits_out}, for `tokser classify --splits {splits_out}`")
    return scanned


def _fold_files(kind: TableKind, tables: Sequence[str], naming: Naming | None) -> list[Path]:
    """Return EmoBox's files of folds; refuse tables without any, and ids that are not its keys."""
    own_ids = naming is not None and naming.columns.get("id", "key") != "key"
    if kind != "emobox" or own_ids:
        raise SettingsError(
            "--splits-out",
            expected="tables of EmoBox, whose keys are the ids",
            got="other ids (--column id=...)" if kind == "emobox" else f"{kind}",
            remedy="Leave it out.",
        )
    paths = [Path(table) for table in tables]
    found = find_folds(paths)
    if not found and paths and all(path.is_file() for path in paths):
        raise MissingInputError(
            "--splits-out",
            expected="files of folds such as cafe_train_fold_1.jsonl among the tables, next to "
            "them, or in folders fold_1, fold_2, ...",
            got=f"none for {list_some([path.name for path in paths])}",
            remedy="Name them with --table, or leave --splits-out out.",
        )
    return found


def _splits_of(folds: Sequence[Path], ids: Sequence[str]) -> str:
    """Write EmoBox's folds as splits by id."""
    from tokser.experiments.splits.files import SplitPlan, format_splits
    from tokser.experiments.splits.protocols import Split

    known = set(ids)
    found = []
    for fold, parts in read_folds(folds).items():
        unknown = sorted({key for keys in parts.values() for key in keys} - known)
        if unknown:
            raise InputError(
                f"fold {fold}",
                expected="keys that are in the manifest",
                got=list_some(unknown),
                remedy="Name the dataset's own file with --table, too.",
            )
        found.append(Split(fold, parts["train"], parts.get("dev", ()), parts["test"]))
    return format_splits({"emobox": SplitPlan({None: tuple(found)})})


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
