"""Whether a corpus on disk is complete, compared with the counts in `data_manifests/`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokser.corpora import iemocap, librispeech
from tokser.corpora.declared.catalogue import known_declaration
from tokser.corpora.declared.counts import count_declared
from tokser.corpora.declared.declaration import Declaration
from tokser.errors import list_some

__all__ = ["Completeness", "completeness"]


@dataclass(frozen=True)
class Completeness:
    """How complete a corpus is.

    Attributes:
        num_utterances: Utterances on disk.
        lacks: Differences from the complete corpus, a phrase each; empty if it is complete.
        parts: Names of the parts on disk, for instance the splits.
    """

    num_utterances: int
    lacks: tuple[str, ...]
    parts: str = ""


def completeness(dataset: str, root: Path) -> Completeness:
    """Count a corpus without opening a recording.

    Args:
        dataset: A corpus that tokser knows; the folder holds it.
        root: Its folder.

    Raises:
        CorpusError: The corpus is malformed.
    """
    declaration = known_declaration(dataset)
    if declaration.reader == "librispeech":
        return _of_librispeech(declaration, root)
    if declaration.reader == "iemocap":
        return _of_iemocap(declaration, root)
    number, parts, lacks = count_declared(declaration, root)
    return Completeness(number, tuple(lacks), parts)


def _of_librispeech(declaration: Declaration, root: Path) -> Completeness:
    known = declaration.splits
    counts = {
        name: librispeech.count_recordings(folder)
        for name, folder in sorted(librispeech.find_splits(root).items())
    }
    lacks = [
        f"{name}: {count:,} of {known[name].num_utterances:,} recordings"
        for name, count in counts.items()
        if name in known and count != known[name].num_utterances
    ]
    return Completeness(sum(counts.values()), tuple(lacks), ", ".join(counts))


def _of_iemocap(declaration: Declaration, root: Path) -> Completeness:
    known = declaration.subsets["four-class"]
    turns = iemocap.list_turns(root, subset="four-class")
    lacks = [
        *_differences(turns, "session", known.sessions, "Session{}: {:,} of {:,} utterances"),
        *_differences(turns, "label", known.labels, "{}: {:,} of {:,} utterances"),
    ]
    missing = [turn["id"] for turn in turns if not (root / turn["path"]).is_file()]
    if missing:
        lacks.append(f"no recording of {len(missing):,} in sentences/wav ({list_some(missing)})")
    return Completeness(len(turns), tuple(lacks))


def _differences(
    turns: list[dict[str, Any]], column: str, expected: Mapping[str, int], text: str
) -> Iterator[str]:
    counts = Counter(turn[column] for turn in turns)
    for name, number in expected.items():
        if counts[name] != number:
            yield text.format(name, counts[name], number)
