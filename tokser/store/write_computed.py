"""A group of a store whose rows are computed from other features of it, shard by shard."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from numpy.typing import NDArray

from tokser.progress import progress_bar, say
from tokser.store.reader import Store
from tokser.store.schema import GroupPlan
from tokser.store.writer import StoreWriter

__all__ = ["ComputedRows", "write_computed"]

ComputedRows = Mapping[str, Mapping[str, NDArray[Any]]]
"""Rows [rows, dim] of utterances by id, of each feature by its name within the group."""


def write_computed(
    store: Store,
    plan: GroupPlan,
    compute: Callable[[list[str], Collection[str]], ComputedRows],
    *,
    usable: Collection[str],
    reasons: Mapping[str, str],
    label: str,
) -> list[str]:
    """Write what a store lacks of a group; finished shards are kept.

    Args:
        store: The store.
        plan: The group.
        compute: Returns the rows of utterances, of the features that are wanted.
        usable: Utterances that have rows.
        reasons: Why others have none, by id.
        label: Of the bar.

    Returns:
        Names of the features.
    """
    names = [f"{plan.name}/{feature}" for feature in plan.features]
    with StoreWriter.reopen(store) as writer:
        group = writer.plan_group(plan)
        num_pending = len(group.pending())
        if not num_pending:
            say(f"{', '.join(names)}: already in {store.path}")
        with progress_bar(label, total=num_pending, unit="shards") as bar:
            for shard, wanted in group.claims():
                if wanted:
                    ids = [store.ids[place] for place in group.layout.utterances(shard).tolist()]
                    found = compute([one for one in ids if one in usable], wanted)
                    rows = {array: [found[array].get(one) for one in ids] for array in wanted}
                    why = {one: reasons[one] for one in ids if one in reasons}
                    group.commit(shard, rows, why)
                bar.advance()
    return names
