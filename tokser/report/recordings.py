"""Which recordings go with the page, and where they are."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from tokser.experiments.joined_store import corpora_of
from tokser.report.embedded_audio import Recording
from tokser.store import Store

__all__ = ["Embed", "embed"]

Embed = Callable[[Path, pd.DataFrame, Sequence[str]], Mapping[str, Recording]]
"""Encodes recordings of a corpus's folder, of the utterances of a store, by their ids."""


def embed(
    ids: Sequence[str], store: Store, encode: Embed, folders: Sequence[Path] = ()
) -> dict[str, Recording]:
    """Encode recordings for the page, those of each corpus from its own folder.

    Args:
        ids: Which ones.
        store: Knows where they are.
        encode: Encodes those of one corpus.
        folders: Where corpora may lie that are no longer where they were extracted from.

    Returns:
        By id; of one that cannot be read, why.
    """
    found = {}
    for mark, own in corpora_of(store).items():
        names = [name.removeprefix(mark) for name in ids if name.startswith(mark)]
        if names:
            root = _folder_of(own, names[0], folders)
            recordings = encode(root, own.utterances, names)
            found.update({f"{mark}{name}": one for name, one in recordings.items()})
    return found


def _folder_of(store: Store, name: str, folders: Sequence[Path]) -> Path:
    """Return the folder that has a recording; where none has, the first that might."""
    path = str(store.utterances.at[name, "path"])
    known = [*folders, Path(store.attributes.root)]
    return next((folder for folder in known if (folder / path).is_file()), known[0])
