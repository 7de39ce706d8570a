"""Which files of a store belong to some of its features, and the documents of such a part."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tokser.errors import SettingsError, list_some
from tokser.store.backend import Backend
from tokser.store.descriptions import read_group, read_root
from tokser.store.feature_name import FUNCTIONALS, FeatureName
from tokser.store.parts import part_path
from tokser.store.schema import GROUP_KEYS, GroupAttributes, RootAttributes
from tokser.store.write_documents import write_group, write_root
from tokser.store.zarr_backend import ZarrBackend

__all__ = ["StorePart", "part_of_store"]


@dataclass(frozen=True)
class StorePart:
    """A store, or what is to be shared of it.

    Attributes:
        root: What the part says about itself.
        groups: What its groups and their parts say, by place.
        features: Full names of its arrays, token ids of lookups and functionals among them.
        is_whole: Whether nothing was left out.
    """

    root: RootAttributes
    groups: dict[str, GroupAttributes]
    features: tuple[str, ...]
    is_whole: bool

    def keys(self, there: Iterable[str]) -> list[str]:
        """Return those of a store's keys that belong to the part."""
        places = sorted(self.groups, key=len, reverse=True)
        return [key for key in there if self._has(key, places)]

    def documents(self, *, without_places: bool) -> dict[str, bytes]:
        """Return the documents that differ from the store's own.

        Args:
            without_places: Leave out folders of this machine: where recordings and models were.
        """
        written = _Written()
        backend = ZarrBackend(cast(Any, written))  # it writes two documents, and nothing else
        root = self.root.model_copy(update={"root": ""}) if without_places else self.root
        write_root(backend, root)
        for place, group in self.groups.items():
            is_folder = without_places and Path(group.source).expanduser().is_absolute()
            about = group.model_copy(update={"source": ""}) if is_folder else group
            write_group(backend, place, about)
        return written.content

    def _has(self, key: str, places: Sequence[str]) -> bool:
        first, *rest = key.split("/")
        if not rest or first in ("manifest", "ids", "versions"):
            return True
        if first == FUNCTIONALS and rest == ["zarr.json"]:
            return any(place.startswith(f"{FUNCTIONALS}/") for place in places)
        place = next((place for place in places if key.startswith(f"{place}/")), None)
        if place is None:
            return False
        name = key[len(place) + 1 :].split("/")[0]
        about = self.groups[place]
        known = {*about.features, *(k for k in about.lookups), *GROUP_KEYS}
        return name in known


def part_of_store(
    backend: Backend, features: Sequence[str] = (), *, functionals_only: bool = False
) -> StorePart:
    """Select features of a store, with the functionals that were made of them.

    Args:
        backend: Its reads; documents alone are read.
        features: Names of features; all where none is named.
        functionals_only: Leave out the rows: what `classify` needs remains.

    Raises:
        SettingsError: The store has no such feature, or no functionals.
        CorruptStoreError: A document is damaged.
    """
    root = read_root(backend)
    groups = {name: read_group(backend, name) for name in root.groups}
    names = [f"{g}/{n}" for g, about in groups.items() for n in _names(about)]
    rows = {str(FeatureName.parse(name).rows) for name in names}
    unknown = [name for name in features if name not in rows]
    if unknown:
        raise SettingsError(
            backend.address,
            expected=f"some of the features {list_some(sorted(rows), most=20)}",
            got=list_some(unknown, most=20),
            remedy="Name some of these, with commas between.",
        )
    kept = [
        name
        for name in names
        if (not features or str(FeatureName.parse(name).rows) in features)
        and (not functionals_only or name.startswith(f"{FUNCTIONALS}/"))
    ]
    kept += [ids for ids in _token_ids(groups, kept) if ids not in kept]
    if not kept:
        raise SettingsError(
            backend.address,
            expected="functionals of these features",
            got="none",
            remedy="Run `tokser pool` on the store first, or share its rows, too.",
        )
    left = {g: _only(about, g, kept) for g, about in groups.items()}
    left = {g: about for g, about in left.items() if _names(about)}
    places = dict(left)
    for group, about in left.items():
        for number in range(1, about.parts + 1):
            path = part_path(group, number)
            places[path] = _only(read_group(backend, path), group, kept)
    new_root = root.model_copy(update={"groups": tuple(g for g in root.groups if g in left)})
    return StorePart(new_root, places, tuple(kept), is_whole=len(kept) == len(names))


def _names(about: GroupAttributes) -> list[str]:
    return [*about.features, *about.lookups]


def _token_ids(groups: dict[str, GroupAttributes], kept: Sequence[str]) -> list[str]:
    """Return the integer features that kept lookups are read through."""
    return [
        f"{group}/{one.ids}"
        for group, about in groups.items()
        for name, one in about.lookups.items()
        if f"{group}/{name}" in kept
    ]


def _only(about: GroupAttributes, group: str, kept: Sequence[str]) -> GroupAttributes:
    """Return what a group says about the features that are kept."""
    dropped = [name for name in _names(about) if f"{group}/{name}" not in kept]
    left_out = tuple(f"/{name}/" for name in dropped)
    update = {
        "features": {k: v for k, v in about.features.items() if k not in dropped},
        "lookups": {k: v for k, v in about.lookups.items() if k not in dropped},
        "files": {k: v for k, v in about.files.items() if not any(n in k for n in left_out)},
    }
    return about.model_copy(update=update)


class _Written:
    """Keeps what a backend writes."""

    address = "memory"

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put(self, key: str, parts: Iterable[Any]) -> None:
        self.content[key] = b"".join(parts)
