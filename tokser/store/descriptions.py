"""What a store, its groups and their layouts say about themselves, read and checked."""

from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from tokser.errors import CorruptStoreError, list_some
from tokser.store.backend import Backend
from tokser.store.documents import checked
from tokser.store.journal import layout_digest
from tokser.store.layout import Layout
from tokser.store.parts import Part, part_path, positions_of
from tokser.store.schema import FORMATS, GroupAttributes, RootAttributes, not_a_store

__all__ = ["read_group", "read_layout", "read_parts", "read_root"]

Document = TypeVar("Document", RootAttributes, GroupAttributes)


def read_root(backend: Backend) -> RootAttributes:
    """Read what a store says about itself; refuse what is no store of this format."""
    content = backend.read_document("")
    if content.get("format") not in FORMATS:
        raise not_a_store(backend.address, f"format {content.get('format')}")
    return _parse(RootAttributes, checked(content, backend.address), backend.address)


def read_group(backend: Backend, name: str) -> GroupAttributes:
    """Read what a group says about itself; `CorruptStoreError` if that is damaged."""
    content = checked(backend.read_document(name), f"{backend.address}, {name}")
    return _parse(GroupAttributes, content, f"{backend.address}, {name}")


def read_layout(backend: Backend, group: str, attributes: GroupAttributes) -> Layout:
    """Read a group's layout; `CorruptStoreError` if its digest differs."""
    starts, lengths = backend.read_layout(group)
    layout = Layout(starts, lengths, attributes.rows_per_shard, attributes.rows_per_chunk)
    found = layout_digest(layout)
    if found != attributes.layout_digest:
        raise CorruptStoreError(
            f"{backend.address}, {group}",
            expected=f"a layout with digest {attributes.layout_digest}",
            got=found,
            remedy="row_starts or row_lengths are damaged: run the same `tokser extract` again.",
        )
    return layout


def read_parts(backend: Backend, root: RootAttributes, group: str) -> list[Part]:
    """Read the parts of a group; `CorruptStoreError` if one is damaged."""
    main = read_group(backend, group)
    paths = [part_path(group, number) for number in range(main.parts + 1)]
    about = [main, *(read_group(backend, path) for path in paths[1:])]
    layouts = [read_layout(backend, *one) for one in zip(paths, about, strict=True)]
    numbers = [
        backend.read_numbers(path)
        if one.numbered
        else np.arange(len(layout.row_lengths), dtype=np.int64)
        for path, one, layout in zip(paths, about, layouts, strict=True)
    ]
    table = root.numbers
    positions = positions_of(numbers, table, root.num_utterances + len(root.removed))
    return [Part(*one) for one in zip(paths, about, layouts, numbers, positions, strict=True)]


def _parse(kind: type[Document], content: dict[str, Any], where: str) -> Document:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise not_a_store(where, f"a document of another version ({list_some(faults)})") from error
