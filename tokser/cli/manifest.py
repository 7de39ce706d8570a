"""The command that lists a corpus: one that tokser knows, or a table of one's own."""

import sys
from pathlib import Path
from typing import Any

import click

from tokser.cli.help import TopicCommand
from tokser.cli.options import (
    DATASETS,
    FILE,
    FOLDER,
    Names,
    command,
    json_option,
    option,
    splits_option,
)
from tokser.cli.output import QUARANTINED_EXIT, print_json, show
from tokser.errors import SettingsError

__all__ = ["manifest"]

_TABLES = ("csv", "audformat", "lhotse", "emobox")
_SEGMENT = "segment"


class _Manifest(TopicCommand):
    """Hands `tokser manifest segment ...` over to a command of its own."""

    def make_context(
        self, info_name: str | None, args: list[str], *rest: Any, **extra: Any
    ) -> click.Context:
        """Return the context of the command that the first argument names."""
        found = self.get_command(None, args[0]) if args else None
        if found is None:
            return super().make_context(info_name, args, *rest, **extra)
        extra.setdefault("auto_envvar_prefix", "TOKSER_MANIFEST_SEGMENT")
        return found.make_context(f"{info_name} {_SEGMENT}", args[1:], *rest, **extra)

    def list_commands(self, _context: click.Context) -> list[str]:
        """Name the commands that stand behind this one, as a group of click does."""
        return [_SEGMENT]

    def get_command(self, _context: click.Context | None, name: str) -> click.Command | None:
        """Return the command of that name; None for a corpus or a table."""
        if name != _SEGMENT:
            return None
        from tokser.cli.segment import segment

        return segment


@command(
    example="tokser manifest csv --root audio --table recordings.csv --column path=file \\\n"
    "  --out manifest.csv",
    cls=_Manifest,
)
@click.argument("dataset", type=Names([*DATASETS.known.choices, *_TABLES, _SEGMENT], "name"))
@option(
    "--root",
    topic="Corpus",
    type=FOLDER,
    required=True,
    help="The corpus's own folder, which paths are relative to; audformat: the database.",
)
@splits_option("all parts that are there", "")
@option(
    "--subset",
    topic="Corpus",
    metavar="NAME",
    default_text="all",
    help="Part or label set that the corpus declares, such as recognised (EmoDB: 493 recordings of "
    "the paper's Table 1) or four-class (IEMOCAP: 5,531 turns); `tokser corpora --json` lists "
    "them.",
)
@option(
    "--corpus",
    topic="Corpus",
    type=FILE,
    default_text="the one that comes with tokser",
    help="Declaration (YAML) of a corpus of your own, whose dataset DATASET is.",
)
@option(
    "--table",
    "tables",
    topic="Table of your own",
    multiple=True,
    metavar="FILE|NAME",
    help="csv, lhotse, emobox: a file; audformat: a table of the database. lhotse takes recordings "
    "and supervisions.",
)
@option(
    "--column",
    "columns",
    topic="Table of your own",
    multiple=True,
    metavar="OURS=THEIRS",
    default_text="by the usual names",
    help="Names in the table of path, label, id, speaker, sex, session, language, transcript, "
    "channel, start_s or end_s.",
)
@option(
    "--rename-label",
    "labels",
    topic="Table of your own",
    multiple=True,
    metavar="THEIRS=OURS",
    default_text="as they are",
    help="Another name for a label, e.g. exc=happiness; with --annotations, of a label in them, "
    "where 'other=' leaves those out.",
)
@option(
    "--language",
    topic="Table of your own",
    default="",
    default_text="unknown",
    help="Language of a table that has none, e.g. de.",
)
@option(
    "--unlabelled",
    topic="Table of your own",
    is_flag=True,
    help="Accept a table without labels, for pretraining.",
)
@option(
    "--annotations",
    topic="Labels",
    type=FILE,
    help="What several annotators said: a CSV with the columns id, annotator and label. Their "
    "shares become columns label_<class>, beside num_annotators.",
)
@option(
    "--labels",
    "rule",
    topic="Labels",
    type=click.Choice(["as-written", "majority", "plurality"]),
    default="as-written",
    help="Label of an utterance. as-written: the corpus's own; majority: the class of more than "
    "half of its annotators; plurality: that of most of them. Without a winner the label is empty.",
)
@option(
    "--min-agreement",
    topic="Labels",
    type=float,
    default=0.0,
    metavar="SHARE",
    default_text="none",
    help="Share of the annotators that --labels plurality asks for at least, e.g. 0.5.",
)
@option(
    "--splits-out",
    topic="Output",
    type=FILE,
    help="emobox: file to write its folds to, for `tokser classify --splits`; without fold files "
    "among the tables, those in the folder of the dataset are used.",
)
@option(
    "-o",
    "--out",
    topic="Output",
    type=FILE,
    default_text="none, utterances are only counted",
    help="CSV file to write.",
)
@json_option
def manifest(
    dataset: str,
    root: Path,
    out: Path | None,
    tables: tuple[str, ...],
    columns: tuple[str, ...],
    labels: tuple[str, ...],
    language: str,
    unlabelled: bool,
    annotations: Path | None,
    rule: str,
    min_agreement: float,
    splits_out: Path | None,
    splits: tuple[str, ...],
    subset: str | None,
    corpus: Path | None,
    *,
    as_json: bool,
) -> None:
    """List the utterances of a corpus in a CSV manifest.

    DATASET is a corpus that tokser knows (`tokser corpora` lists them), or that you declare with
    --corpus: its folder is scanned. Or it says who wrote a table of your own corpus:

    \b
    csv        you: a header, one line an utterance, at least a path and a label
    audformat  audformat or audb: the folder of a database (needs tokser[import])
    lhotse     lhotse: recordings, supervisions or cuts, .jsonl or .jsonl.gz
    emobox     EmoBox: data/<dataset>/<dataset>.jsonl, and its folds

    `tokser manifest segment --help` shows how long recordings are cut into utterances.

    Then: tokser extract --dataset NAME --manifest OUT --root ROOT, with any NAME you like.
    """  # noqa: D301  click takes the backspace as: keep these lines as they are
    from tokser.corpora.label_rule import LabelRule
    from tokser.corpora.tables.records import Naming
    from tokser.stages.manifest import manifest as scan
    from tokser.stages.manifest import manifest_of_table
    from tokser.terminal.manifests import counts_of, counts_table, faults_table

    renamed = _pairs("--rename-label", labels, may_be_empty=annotations is not None)
    chosen = LabelRule(rule, min_agreement, renamed)  # type: ignore[arg-type]  # click checked it
    if dataset in _TABLES:
        _refuse("--split and --subset", splits or subset, f"{dataset}, which lists what it has")
        _refuse("--corpus", corpus, f"{dataset}, which is a table")
        annotated = annotations is not None or rule != "as-written"
        own = {} if annotations is not None else renamed
        naming = Naming(_pairs("--column", columns), own, language, unlabelled or annotated)
        scanned = manifest_of_table(
            *(dataset, root, tables, out, naming, splits_out),  # type: ignore[arg-type]  # click checked it
            rule=chosen,
            annotations=annotations,
        )
    else:
        foreign = tables or columns or language or unlabelled or splits_out
        foreign = foreign or (labels if annotations is None else ())
        _refuse("options of tables", foreign, f"{dataset}, which is scanned")
        scanned = scan(
            *(dataset, root, out),
            splits=splits,
            subset=subset or "all",
            corpus=corpus,
            rule=chosen,
            annotations=annotations,
        )
    quarantined = {fault.id: fault.reason for fault in scanned.faults}
    if as_json:
        print_json({"out": out, "counts": counts_of(scanned.table), "quarantined": quarantined})
    else:
        show(counts_table(scanned.table))
        if quarantined:
            show(faults_table(quarantined))
    if quarantined:
        sys.exit(QUARANTINED_EXIT)


def _refuse(what: str, given: object, dataset: str) -> None:
    if given:
        raise SettingsError(
            what, expected=f"none with {dataset}", got=str(given), remedy="Leave them out."
        )


def _pairs(option: str, texts: tuple[str, ...], *, may_be_empty: bool = False) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    wrong = [
        text
        for text, (left, mark, right) in zip(texts, pairs, strict=True)
        if not left or not mark or not (right or may_be_empty)
    ]
    if wrong:
        raise SettingsError(
            option,
            expected="NAME=NAME",
            got=", ".join(wrong),
            remedy="Put one `=` between two names.",
        )
    return {left: right for left, _, right in pairs}
