"""Stage 4: mean and standard deviation over the rows of every feature, and more, into the store."""

from collections import defaultdict
from typing import Any

from numpy.typing import NDArray

from tokser.config import PoolSettings
from tokser.errors import list_some
from tokser.functionals.group_plan import functionals_plan
from tokser.functionals.moments import MOMENTS, check_functionals, mean_std, pool_rows
from tokser.progress import progress_bar, say
from tokser.store import GroupWriter, Layer, Store, StoreWriter, open_store
from tokser.store.choice import choose_features

__all__ = ["pool"]


def pool(settings: PoolSettings) -> list[str]:
    """Write the functionals that the store lacks; return the names of all that were asked for.

    Raises:
        SettingsError: The store has no such feature, or there is no such functional.
        StoreIncompleteError: A feature is not whole yet.
    """
    wanted = check_functionals([*MOMENTS, *settings.functionals])
    store = open_store(settings.store, check=True)
    there = store.without_rows
    if there:
        say(f"{list_some(there, most=20)}: extracted as functionals, nothing to pool")
    named = [name for name in settings.features if name not in there]
    features = choose_features(store, named) if named or not settings.features else []
    features += [name for name in settings.features or there if name in there]
    by_group: dict[str, list[Layer]] = defaultdict(list)
    for feature in (name for name in features if name not in there):
        layer = store[feature]
        layer.require_complete()
        by_group[feature.rpartition("/")[0]].append(layer)
    with StoreWriter.reopen(store) as writer:
        for group, layers in by_group.items():
            dims = {layer.name.rpartition("/")[2]: layer.dim for layer in layers}
            lengths, made_by = layers[0].layout.row_lengths, layers[0].provenance
            plan = functionals_plan(group, dims, lengths, made_by, wanted[len(MOMENTS) :])
            _pool_group(writer.plan_group(plan), store, group)
    return features


def _pool_group(target: GroupWriter, store: Store, group: str) -> None:
    pending = target.pending()
    spans = {shard: target.layout.utterances(shard).tolist() for shard in pending}
    total = sum(len(spans[shard]) * len(names) for shard, names in pending.items())
    if not total:
        return
    with progress_bar(f"pool {group}", total=total, unit="utterances") as bar:
        for shard, names in target.claims():
            if not names:
                bar.advance(len(spans[shard]) * len(pending[shard]))
                continue
            here = {store.ids[position] for position in spans[shard]}
            for name in names:
                feature, _, functional = name.partition("@")
                layer = store[f"{group}/{feature}"]
                rows: list[NDArray[Any] | None] = []
                for position in spans[shard]:
                    rows.append(_pool_one(layer, store, position, functional))
                    bar.advance()
                # Layers of one encoder may have been extracted at different times.
                reasons = {id_: why for id_, why in layer.quarantined.items() if id_ in here}
                target.commit(shard, {name: rows}, reasons)


def _pool_one(layer: Layer, store: Store, position: int, functional: str) -> NDArray[Any] | None:
    if store.ids[position] in layer.quarantined:
        return None
    rows = layer.rows_at(position)
    return (pool_rows(rows, functional) if functional else mean_std(rows))[None, :]
