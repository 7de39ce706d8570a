"""Groups and features taken out of a store: out of its documents first, then from disk."""

from collections.abc import Sequence

from tokser.store.backend import Backend
from tokser.store.descriptions import read_group, read_root
from tokser.store.parts import part_path
from tokser.store.write_documents import write_group, write_root

__all__ = ["remove_features", "remove_group"]


def remove_group(backend: Backend, group: str) -> None:
    """Remove a group; its files are removed even where the root does not name it any more."""
    root = read_root(backend)
    if group in root.groups:
        left = tuple(name for name in root.groups if name != group)
        write_root(backend, root.model_copy(update={"groups": left}))
    backend.objects.delete(group)


def remove_features(backend: Backend, group: str, features: Sequence[str]) -> None:
    """Remove features of a group that keeps others; from its first part, then from later ones."""
    num_parts = read_group(backend, group).parts
    for part in range(num_parts + 1):
        _remove_features(backend, part_path(group, part), features)


def _remove_features(backend: Backend, group: str, features: Sequence[str]) -> None:
    found = read_group(backend, group)
    keys = tuple(f"{group}/{name}/" for name in features)
    update = {
        "features": {k: v for k, v in found.features.items() if k not in features},
        "lookups": {k: v for k, v in found.lookups.items() if k not in features},
        "files": {k: v for k, v in found.files.items() if not k.startswith(keys)},
    }
    write_group(backend, group, found.model_copy(update=update))
    for name in features:
        backend.objects.delete(f"{group}/{name}")
