"""`tokser download`: published corpora, fetched and checked."""

import re
from pathlib import Path

import click

from tokser.cli.options import FOLDER, command, option, splits_option
from tokser.cli.output import tell

__all__ = ["download"]


@command(example="tokser download librispeech --split dev-clean --root corpora/LibriSpeech")
@click.argument("dataset", type=click.Choice(["librispeech", "emodb", "iemocap"]))
@option(
    "--root",
    topic="Corpus",
    type=FOLDER,
    default_text="corpora/LibriSpeech or corpora/emodb",
    help="The corpus's own folder, created where it is missing.",
)
@splits_option("none: the sizes of all are listed", "; several with spaces or commas between, too")
@option(
    "--mirror",
    topic="Download",
    metavar="URL",
    default_text="the publisher's own server",
    help="Folder on another server with the same files, e.g. "
    "https://openslr.elda.org/resources/12.",
)
@option(
    "--only-missing",
    topic="Download",
    is_flag=True,
    help="Use a split that is there as it is, complete or not; otherwise one that lacks recordings "
    "is an error.",
)
@option(
    "--keep-archives",
    topic="Download",
    is_flag=True,
    help="Keep the archives in ROOT/.download; otherwise they are removed once unpacked.",
)
def download(
    dataset: str,
    root: Path | None,
    splits: tuple[str, ...],
    mirror: str | None,
    only_missing: bool,
    keep_archives: bool,
) -> None:
    """Fetch DATASET, check it, and unpack it.

    Stop it at any time, and run it again: it continues at the byte where it was. What is there is
    not fetched again, and without anything to fetch the network is not used. An archive that you
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
        tell(f"{name}: used as it is, incomplete ({lacks})" if lacks else f"{name}: there")
    for name in done.fetched:
        tell(f"{name}: fetched")
