"""Leftovers of killed writers: files that no document or journal names, but that can be read."""

from tokser.store.backend import Backend
from tokser.store.descriptions import read_group
from tokser.store.feature_name import FUNCTIONALS, PARTS, rows_group
from tokser.store.parts import part_path
from tokser.store.schema import GROUP_KEYS, RootAttributes

__all__ = ["remove_leftovers"]

_ROOT_KEYS = frozenset(
    {FUNCTIONALS, "ids", "manifest", "store.json", "utterances.h5", "versions", "zarr.json"}
)
_OF_A_GROUP = ("/group.json", "/layout.h5", "/row_starts/zarr.json")
"""What tells a group from whatever else a user may have put there."""


def remove_leftovers(backend: Backend, root: RootAttributes) -> None:
    """Remove unfinished files, groups and features that no document names, uncommitted shards.

    Nobody else may be writing to the store.
    """
    objects, keys = backend.objects, backend.objects.keys_under("")
    for key in keys:
        if key.endswith(".partial"):
            objects.delete(key)
    tops = {group.split("/")[0] for group in root.groups} | _ROOT_KEYS
    laid_down = {key.rpartition("/")[0] for key in keys if key.endswith(_OF_A_GROUP)}
    for group in {place.removesuffix("/row_starts") for place in laid_down}:
        is_top = "/" not in group and group not in tops
        is_pooled = rows_group(group) != group and "/" not in rows_group(group)
        if is_top or (is_pooled and group not in root.groups):
            objects.delete(group)
    for group in root.groups:
        _remove_of_group(backend, group)


def _remove_of_group(backend: Backend, group: str) -> None:
    main = read_group(backend, group)
    for name, lookup in main.lookups.items():
        for place in range(lookup.place + 2):  # earlier tables, and one that was not named yet
            if place != lookup.place:
                backend.delete_lookup(f"{group}/{name}", place)
    known = {*main.features, *main.lookups, *GROUP_KEYS}
    for number in range(main.parts + 1):
        path = part_path(group, number)
        about = read_group(backend, path)
        for name in {key.split("/")[0] for key in backend.objects.keys_under(path)} - known:
            backend.objects.delete(f"{path}/{name}")
        num_shards = -(-about.num_rows // about.rows_per_shard)
        for name, spec in main.features.items():
            for shard, text in enumerate(backend.read_journal(f"{path}/{name}", num_shards)):
                if not text:
                    backend.objects.delete(backend.shard_key(f"{path}/{name}", shard, spec))
    there = {key.split("/")[0] for key in backend.objects.keys_under(f"{group}/{PARTS}")}
    for name in there - {"zarr.json", *map(str, range(1, main.parts + 1))}:
        backend.objects.delete(f"{group}/{PARTS}/{name}")
