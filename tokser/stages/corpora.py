"""Which corpora tokser knows, what is known about each, and where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokser.corpora.declared.declaration import Declaration
from tokser.corpora.declared.registered import registered_corpora
from tokser.corpora.registry import declaration_of, find_corpora

__all__ = ["KnownCorpus", "corpora"]


@dataclass(frozen=True)
class KnownCorpus:
    """A corpus that comes with tokser, or that another package registers.

    Attributes:
        dataset: Its name.
        title: Its name as its makers write it.
        languages: ISO 639 codes.
        hours: Length of all recordings; None: it is not known, or grows.
        num_utterances: Utterances of the complete corpus; None: they are not known.
        num_speakers: Its speakers; None: they are not known.
        classes: Its labels.
        subsets: Names of its subsets, `all` first.
        licence: SPDX identifier, or a few words.
        how_to_get: How it is obtained.
        citation: Whom to cite.
        layout: One recording's path, as an example.
        found: Folders that hold it.
        registered_by: Package that registers it, with its version; empty: tokser has it.
    """

    dataset: str
    title: str
    languages: tuple[str, ...]
    hours: float | None
    num_utterances: int | None
    num_speakers: int | None
    classes: tuple[str, ...]
    subsets: tuple[str, ...]
    licence: str
    how_to_get: str
    citation: str
    layout: str
    found: tuple[str, ...]
    registered_by: str = ""


def corpora(workspace: Path, places: Sequence[Path] = ()) -> list[KnownCorpus]:
    """List the corpora that come with tokser, and those that other packages register.

    Args:
        workspace: Folder of stores, runs and results.
        places: Folders of corpora, or that contain such folders; empty: the usual places.
    """
    searched = tuple(places) or (workspace / "corpora", Path("corpora"), Path("data"))
    return [
        _known(declaration_of(name), tuple(str(root) for root in roots))
        for name, roots in find_corpora(searched).items()
    ]


def _known(declaration: Declaration, found: tuple[str, ...]) -> KnownCorpus:
    whole = declaration.whole
    parts = [part for part in declaration.subsets.values() if part.is_part]
    of_parts = sum(part.num_utterances or 0 for part in parts) or None
    of_splits = sum(split.num_utterances for split in declaration.splits.values()) or None
    speakers = max((part.num_speakers or 0 for part in parts), default=0) or None
    return KnownCorpus(
        dataset=declaration.dataset,
        title=declaration.title,
        languages=declaration.languages,
        hours=declaration.hours,
        num_utterances=whole.num_utterances or of_parts or of_splits,
        num_speakers=whole.num_speakers or speakers,
        classes=declaration.all_classes,
        subsets=declaration.subset_names,
        licence=declaration.licence,
        how_to_get=declaration.how_to_get,
        citation=declaration.citation,
        layout=declaration.layout,
        found=found,
        registered_by=registered_corpora().packages.get(declaration.dataset, ""),
    )
