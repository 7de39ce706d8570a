"""Stage 0: scan a corpus into a manifest."""

from pathlib import Path

from tokser.corpora.manifest import Manifest
from tokser.corpora.registry import scan_corpus
from tokser.progress import say

__all__ = ["manifest"]


def manifest(
    dataset: str, root: Path, out: Path | None, *, splits: tuple[str, ...] = (), subset: str = "all"
) -> Manifest:
    """Scan a corpus, write its manifest if `out` is given, and return it.

    Raises:
        InputError: `root` is missing, or holds another corpus.
    """
    scanned = scan_corpus(dataset, root, splits=splits, subset=subset)
    if out is not None:
        scanned.write(out)
        say(f"{len(scanned.table)} utterances -> {out}")
    return scanned
