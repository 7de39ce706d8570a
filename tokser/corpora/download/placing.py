"""Moving an unpacked corpus to its folder: all of it by one rename, or nothing."""

import json
import shutil
from pathlib import Path

from tokser.corpora.completeness import completeness
from tokser.corpora.download.published import PublishedArchive
from tokser.corpora.librispeech import find_splits
from tokser.errors import CorpusError
from tokser.provenance import sync_to_disk, versions, write_atomically

__all__ = ["MARK", "home_of", "lacks_of", "place"]

MARK = ".downloaded.json"
"""File of a downloaded corpus that states where it came from."""


def home_of(archive: PublishedArchive, root: Path) -> Path:
    """Return the folder that exists if the archive's content is in place."""
    if archive.dataset == "emodb":
        return root / "wav"
    inner = root / "LibriSpeech"
    return (inner if find_splits(inner) else root) / archive.name


def lacks_of(archive: PublishedArchive, root: Path) -> list[str]:
    """Return what the archive's content under `root` lacks, a phrase each."""
    lacks = completeness(archive.dataset, root).lacks
    if archive.dataset == "emodb":
        return list(lacks)
    return [lack for lack in lacks if lack.startswith(f"{archive.name}:")]


def place(archive: PublishedArchive, unpacked: Path, root: Path) -> None:
    """Check what was unpacked, and move it to its folder; existing files are never replaced.

    Raises:
        CorpusError: It is not the expected content of the archive.
    """
    content = unpacked / "LibriSpeech" if archive.dataset == "librispeech" else unpacked
    home = home_of(archive, root)
    main = content / home.name
    lacks = lacks_of(archive, content) if main.is_dir() else [f"no folder {home.name}"]
    if lacks:
        raise CorpusError(
            archive.url,
            expected=f"{archive.num_utterances:,} recordings of {archive.name}",
            got="; ".join(lacks),
            remedy="Run the same command again, or name a mirror with `--mirror`.",
        )
    write_atomically(main / MARK, _origin(archive))
    home.parent.mkdir(parents=True, exist_ok=True)
    for entry in sorted(content.iterdir()):  # notes and tables, beside the recordings
        if entry != main and not (home.parent / entry.name).exists():
            entry.rename(home.parent / entry.name)
    main.rename(home)
    sync_to_disk(home.parent)
    shutil.rmtree(unpacked)


def _origin(archive: PublishedArchive) -> bytes:
    content = {
        "url": archive.url,
        "checksum": archive.checksum or "none published",
        "num_utterances": archive.num_utterances,
        "tokser": versions()["tokser"],
    }
    return (json.dumps(content, indent=2) + "\n").encode()
