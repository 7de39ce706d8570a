"""The command that brings published corpora here."""

import re
from pathlib import Path

import click

from tokser.cli.options import DATASETS, FOLDER, reports_errors, tell

__all__ = ["download"]


@click.command()
@click.argument("dataset", type=DATASETS)
@click.option(
    "--root",
    type=FOLDER,
    help="The corpus's own folder, made if need be.  "
    "[default: corpora/LibriSpeech or corpora/emodb]",
)
@click.option(
    "--split",
    "--splits",
    "splits",
    multiple=True,
    help="LibriSpeech part, e.g. train-clean-100 (6.4 GB); may be repeated, or hold several with "
    "spaces or commas between.  [default: none; without one, the sizes are told]",
)
@click.option(
    "--mirror",
    metavar="URL",
    help="Folder on another server with the same files, e.g. https://openslr.elda.org/resources/12."
    "  [default: the publisher's own]",
)
@click.option(
    "--only-missing",
    is_flag=True,
    help="Take a split that is there as it is, whole or not.  [default: refuse one that lacks "
    "recordings]",
)
@click.option(
    "--keep-archives",
    is_flag=True,
    help="Keep the archives in ROOT/.download.  [default: remove them once unpacked]",
)
@reports_errors
def download(
    dataset: str,
    root: Path | None,
    splits: tuple[str, ...],
    mirror: str | None,
    only_missing: bool,
    keep_archives: bool,
) -> None:
    """Fetch DATASET, check it, and unpack it.

    Stop it at any time, and run it again: it goes on at the byte where it was. What is there is not
    fetched again, and without anything to fetch the network is not touched. An archive that you
    bring in another way is taken from ROOT/.download.

    LibriSpeech (CC BY 4.0) has seven splits of 0.3 to 31 GB, EmoDB (CC0) is 40 MB; IEMOCAP needs a
    licence, `tokser doctor` says how to get one.
    """
    from tokser.stages.download import download as run

    done = run(
        dataset,
        root or Path("corpora") / {"librispeech": "LibriSpeech"}.get(dataset, dataset),
        splits=[name for text in splits for name in re.split(r"[\s,]+", text) if name],
        mirror=mirror,
        only_missing=only_missing,
        keep_archives=keep_archives,
    )
    for name in done.kept:
        lacks = done.incomplete.get(name)
        tell(f"{name}: taken as it is, not whole ({lacks})" if lacks else f"{name}: there")
    for name in done.fetched:
        tell(f"{name}: fetched")
