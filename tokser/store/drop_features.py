"""Remove a feature or a group from a store, and the functionals that were made of it."""

from dataclasses import dataclass

from tokser.errors import CorruptStoreError, SettingsError, list_some
from tokser.names import RESERVED, is_safe_key
from tokser.store.address import existing_backend
from tokser.store.backend import Backend
from tokser.store.descriptions import read_group, read_root
from tokser.store.feature_name import FeatureName, functionals_group, rows_group
from tokser.store.locks import Locks
from tokser.store.reader import Store
from tokser.store.remove_groups import remove_features, remove_group
from tokser.store.schema import GROUP_KEYS, GroupAttributes

__all__ = ["Dropped", "drop_from_store"]

Drops = dict[str, list[str]]
"""Names of features by group; of a group that goes as a whole, all of them."""


@dataclass(frozen=True)
class Dropped:
    """What was removed from a store.

    Attributes:
        features: Names of everything with rows or a table.
        num_bytes: Bytes of their rows, as they lay on the disk.
    """

    features: tuple[str, ...]
    num_bytes: int


def drop_from_store(address: str, name: str, *, dry_run: bool = False) -> Dropped:
    """Remove a feature or group; the documents first, so that a kill leaves no half of it.

    What a killed call left on the disk means nothing any more; the same call removes it.

    Args:
        address: Folder or URL of the store.
        name: A feature, a group, or either with `functionals/` before it.
        dry_run: Change nothing.

    Raises:
        MissingInputError: There is no store at the address.
        SettingsError: It has no such feature or group, or other features are read through it.
        StoreLockedError: Another process is writing to the group.
        RunError: The store cannot be written to.
    """
    backend = existing_backend(address)
    locks = Locks(backend)
    with locks.plan():
        store = Store(backend)
        drops = _find(store, name)
        if not drops and not _leftovers(backend, name):
            raise SettingsError(
                address,
                expected=f"one of {list_some([*store.groups, *store.arrays], most=30)}",
                got=repr(name),
                remedy=f"`tokser store info {address}` lists what there is.",
            )
        done = _describe(store, drops)
        if not dry_run:
            locks.require_idle(drops, f"drop {name}")
            for group, features in drops.items():
                _drop(backend, group, features, store.group(group))
            for place in _leftovers(backend, name):
                backend.objects.delete(place)
    return done


def _find(store: Store, name: str) -> Drops:
    """Return what a name stands for, functionals first: they would be left without their rows."""
    if name in store.groups:
        pooled = functionals_group(name)
        return {group: _names(store, group) for group in (pooled, name) if group in store.groups}
    wanted = FeatureName.parse(name)
    drops: Drops = {}
    for place in dict.fromkeys((functionals_group(wanted.group), wanted.group_key)):
        if place in store.groups:
            found = [one for one in _names(store, place) if _is_of(one, wanted)]
            drops |= {place: found} if found else {}
    if wanted.group in drops:
        _refuse_needed(store, wanted)
    return drops


def _names(store: Store, group: str) -> list[str]:
    about = store.group(group)
    return [*about.features, *about.lookups]


def _refuse_needed(store: Store, name: FeatureName) -> None:
    lookups = store.group(name.group).lookups
    readers = [f"{name.group}/{key}" for key, one in lookups.items() if one.ids == name.feature]
    if readers:
        raise SettingsError(
            f"{store.path}, {name}",
            expected="a feature that no other is read through",
            got=f"the token ids of {list_some(readers)}",
            remedy=f"Drop these first, or the whole group {name.group}.",
        )


def _leftovers(backend: Backend, name: str) -> list[str]:
    """Return the places of what a killed call left: files that no document names."""
    wanted = FeatureName.parse(rows_group(name))  # without a group, it is one
    keys = {wanted.group.casefold(), wanted.array.casefold()}
    if not is_safe_key(name) or keys & (RESERVED | GROUP_KEYS):
        return []
    root, found = read_root(backend), []
    group = wanted.group or wanted.array
    for top in (group, functionals_group(group)):
        if top not in root.groups:
            places = [top] if not wanted.group else []
        else:
            about = read_group(backend, top)
            known = {*about.features, *about.lookups, *GROUP_KEYS}
            here = {key.split("/")[0] for key in backend.objects.keys_under(top)}
            left = [one for one in sorted(here - known) if not wanted.group or _is_of(one, wanted)]
            places = [f"{top}/{one}" for one in left]
        found += [place for place in places if backend.objects.keys_under(place)]
    return found


def _is_of(array: str, wanted: FeatureName) -> bool:
    """Tell whether an array of a group is the feature, or a functional of it."""
    found = FeatureName.parse(array)
    return found.feature == wanted.feature and wanted.functional in ("", found.functional)


def _describe(store: Store, drops: Drops) -> Dropped:
    features = [f"{group}/{name}" for group, names in drops.items() for name in names]
    return Dropped(tuple(features), sum(_num_bytes(store, name) for name in features))


def _num_bytes(store: Store, feature: str) -> int:
    try:
        return store[feature].num_bytes
    except CorruptStoreError:  # what is damaged can be dropped, too
        return 0


def _drop(backend: Backend, group: str, features: list[str], about: GroupAttributes) -> None:
    """Drop the whole group if nothing that can be read would be left."""
    left = {
        name: spec.dtype
        for name, spec in (about.features | about.lookups).items()
        if name not in features
    }
    if all(dtype == "int32" for dtype in left.values()):
        remove_group(backend, group)
    else:
        remove_features(backend, group, features)
