"""The command that lists a corpus: one that tokser knows, or a table of one's own."""

import sys
from pathlib import Path

import click

from tokser.cli.options import (
    DATASETS,
    FILE,
    FOLDER,
    QUARANTINED_EXIT,
    reports_errors,
    splits_option,
    subset_option,
)
from tokser.errors import SettingsError

__all__ = ["manifest"]

_TABLES = ("csv", "audformat", "lhotse", "emobox")


@click.command()
@click.argument("dataset", type=click.Choice([*DATASETS.choices, *_TABLES]))
@click.option(
    "--root",
    type=FOLDER,
    required=True,
    help="The corpus's own folder, which paths are relative to; audformat: the database.",
)
@click.option("--out", type=FILE, help="CSV file to write.  [default: only count]")
@click.option(
    "--table",
    "tables",
    multiple=True,
    help="csv, lhotse, emobox: a file; audformat: a table of the database. May be repeated, lhotse "
    "takes recordings and supervisions.  [default: none, it must be named]",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="OURS=THEIRS",
    help="How the table calls path, label, id, speaker, sex, session, language, transcript or "
    "channel; may be repeated.  [default: by the usual names]",
)
@click.option(
    "--rename-label",
    "labels",
    multiple=True,
    metavar="THEIRS=OURS",
    help="Another name for a label, e.g. exc=happiness; may be repeated.  [default: as they are]",
)
@click.option(
    "--language", default="", help="Of a table that has none, e.g. de.  [default: unknown]"
)
@click.option(
    "--unlabelled",
    is_flag=True,
    help="Take a table without labels, for pretraining.  [default: labels are wanted]",
)
@click.option(
    "--splits-out",
    type=FILE,
    help="emobox: file to write its folds to, for `tokser classify --splits`; without fold files "
    "among the tables, those beside the dataset's own are taken.  [default: none]",
)
@splits_option
@subset_option
@reports_errors
def manifest(
    dataset: str,
    root: Path,
    out: Path | None,
    tables: tuple[str, ...],
    columns: tuple[str, ...],
    labels: tuple[str, ...],
    language: str,
    unlabelled: bool,
    splits_out: Path | None,
    splits: tuple[str, ...],
    subset: str | None,
) -> None:
    """List the utterances of a corpus in a CSV manifest.

    DATASET is a corpus that tokser knows (librispeech, emodb, iemocap), whose folder is scanned, or
    says who wrote a table of your own corpus:

    \b
    csv        you: a header, one line an utterance, at least a path and a label
    audformat  audformat or audb: the folder of a database (needs tokser[import])
    lhotse     lhotse: recordings, supervisions or cuts, .jsonl or .jsonl.gz
    emobox     EmoBox: data/<dataset>/<dataset>.jsonl, and its folds

    Then: tokser extract --dataset NAME --manifest OUT --root ROOT, with any NAME you like.
    """  # noqa: D301  click takes the backspace as: keep these lines as they are
    from tokser.corpora.tables.records import Naming
    from tokser.stages.manifest import manifest as scan
    from tokser.stages.manifest import manifest_of_table
    from tokser.terminal import counts_table, faults_table, show

    if dataset in _TABLES:
        _refuse("--split and --subset", splits or subset, f"{dataset}, which lists what it has")
        naming = Naming(
            _pairs("--column", columns), _pairs("--rename-label", labels), language, unlabelled
        )
        scanned = manifest_of_table(dataset, root, tables, out, naming, splits_out)  # type: ignore[arg-type]  # click checked it
    else:
        foreign = tables or columns or labels or language or unlabelled or splits_out
        _refuse("options of tables", foreign, f"{dataset}, which is scanned")
        scanned = scan(dataset, root, out, splits=splits, subset=subset or "all")
    show(counts_table(scanned.table))
    if scanned.faults:
        show(faults_table({fault.id: fault.reason for fault in scanned.faults}))
        sys.exit(QUARANTINED_EXIT)


def _refuse(what: str, given: object, dataset: str) -> None:
    if given:
        raise SettingsError(
            what, expected=f"none with {dataset}", got=str(given), remedy="Leave them out."
        )


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    wrong = [
        text for text, (left, _, right) in zip(texts, pairs, strict=True) if not left or not right
    ]
    if wrong:
        raise SettingsError(
            option,
            expected="NAME=NAME",
            got=", ".join(wrong),
            remedy="Put one `=` between two names.",
        )
    return {left: right for left, _, right in pairs}
