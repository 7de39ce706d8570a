"""Changes of a store's utterances: corrected columns, and removal."""

from pathlib import Path

from tokser.corpora.manifest import read_manifest
from tokser.errors import SettingsError
from tokser.store import Removed, Update, open_store, remove_from_store, update_store

__all__ = ["remove", "update"]


def update(store: str, manifest: Path, *, dry_run: bool = False) -> Update:
    """Make a corrected manifest the new version of a store's utterance table.

    Args:
        store: Folder or URL of the store.
        manifest: CSV file with every utterance of the store, and perhaps more.
        dry_run: Change nothing.

    Raises:
        InputError: The manifest is malformed, or lacks utterances of the store.
        StoreError: The store is damaged or in use.
    """
    opened = open_store(store)
    root = Path(opened.attributes.root)
    found = read_manifest(manifest, dataset=opened.dataset, root=root)
    return update_store(store, found.csv_text(), dry_run=dry_run)


def remove(
    store: str, *, speaker: str | None = None, ids: Path | None = None, dry_run: bool = False
) -> Removed:
    """Remove the utterances of a speaker, or those that a file names, from a store for good.

    Args:
        store: Folder or URL of the store.
        speaker: Whose utterances.
        ids: Text file with ids, one a line.
        dry_run: Change nothing.

    Raises:
        SettingsError: Neither or both are given, or the store has no such utterances.
        StoreError: The store is damaged or in use.
    """
    if (speaker is None) == (ids is None):
        raise SettingsError(
            "--speaker, --ids",
            expected="one of both",
            got="both" if speaker is not None else "none",
            remedy="Name a speaker, or a file with ids.",
        )
    names = () if ids is None else tuple(filter(None, _lines(ids)))
    return remove_from_store(store, speaker=speaker, ids=names, dry_run=dry_run)


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"--ids {file}",
            expected="a text file in UTF-8 with an id on each line",
            got=str(error),
            remedy="Correct the file or its name.",
        ) from error
