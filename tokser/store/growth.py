"""Appending: what a group lacks of the table, or has of an older version, becomes a new part.

A part is a group within the group (`<group>/parts/2`): its own layout, shards and journal, and the
numbers of its utterances, for the utterances that the group lacked when the part was planned. An
utterance's rows are those of the last part that holds its number. The part is laid down completely
(layout, numbers, descriptions of features) before the group's document counts it: a call that was
stopped before that leaves a folder that the next call deletes.

What must never happen: a change to the layout, the shards or the journal of an earlier part; a part
that the document counts and whose files are not all there; rows of two parts for one utterance
where the earlier one is read; a part for utterances that were removed.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.store.backend import Backend
from tokser.store.descriptions import read_group
from tokser.store.journal import layout_digest
from tokser.store.layout import Layout, pack, pack_into
from tokser.store.parts import part_path
from tokser.store.reader import Store
from tokser.store.schema import FeatureSpec, GroupAttributes, GroupPlan, RootAttributes
from tokser.store.write_documents import write_group

__all__ = ["add_part", "create_group", "describe_features", "merged_lengths", "pack_plan"]


def pack_plan(plan: GroupPlan) -> Layout:
    """Return the layout that a planned group will have."""
    if plan.cut is not None:
        return pack_into(plan.lengths, *plan.cut)
    row_bytes = {name: spec.row_bytes for name, spec in plan.features.items()}
    return pack(plan.lengths, row_bytes, plan.shard_bytes)


def create_group(
    backend: Backend, plan: GroupPlan, root: RootAttributes, numbers: NDArray[np.int64] | None
) -> tuple[GroupAttributes, Layout]:
    """Write a group, or a part of one, without its features.

    Args:
        backend: The store.
        plan: Its name is where the group or part lies.
        root: Tells which version of the table the rows are of.
        numbers: Of its utterances, where they are not 0, 1, 2...
    """
    layout = pack_plan(plan)
    attributes = GroupAttributes(
        kind=plan.kind,
        rows_per_shard=layout.rows_per_shard,
        rows_per_chunk=layout.rows_per_chunk,
        num_rows=layout.num_rows,
        layout_digest=layout_digest(layout),
        provenance=plan.provenance,
        source=plan.source,
        files=backend.write_layout(plan.name, layout, numbers),
        table_version=root.version,
        numbered=numbers is not None,
    )
    write_group(backend, plan.name, attributes)
    return attributes, layout


def describe_features(
    backend: Backend,
    group: str,
    attributes: GroupAttributes,
    layout: Layout,
    features: dict[str, FeatureSpec],
) -> GroupAttributes:
    """Write the descriptions of features, and the document of the group or part."""
    files = dict(attributes.files)
    for name, spec in features.items():
        files |= backend.describe_feature(f"{group}/{name}", spec, layout)
    update: dict[str, Any] = {"features": attributes.features | features, "files": files}
    attributes = attributes.model_copy(update=update)
    write_group(backend, group, attributes)
    return attributes


def merged_lengths(store: Store, plan: GroupPlan, outdated: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of each utterance as the store has them, or as planned where it does not."""
    lengths = store.layout(plan.name).row_lengths.copy()
    known = np.zeros(len(plan.lengths), dtype=np.int64)
    known[: len(lengths)] = lengths[: len(known)]
    known[outdated] = plan.lengths[outdated]
    return known


def add_part(
    backend: Backend, plan: GroupPlan, root: RootAttributes, outdated: NDArray[np.int64]
) -> None:
    """Plan what a group lacks as a new part; it counts when the group's document says so.

    Args:
        backend: The store; the caller holds the lock of its plan.
        plan: Of the whole table.
        root: What the store says about itself.
        outdated: Positions of the utterances that the part is for.
    """
    main = read_group(backend, plan.name)
    path = part_path(plan.name, main.parts + 1)
    backend.objects.delete(path)  # what a stopped call left
    specs = main.features | {k: v for k, v in plan.features.items() if k not in main.features}
    part = plan.model_copy(
        update={"name": path, "lengths": plan.lengths[outdated], "features": specs}
    )
    attributes, layout = create_group(backend, part, root, root.numbers[outdated])
    describe_features(backend, path, attributes, layout, dict(main.features))
    grown = {"parts": main.parts + 1, "table_version": root.version}
    write_group(backend, plan.name, read_group(backend, plan.name).model_copy(update=grown))
