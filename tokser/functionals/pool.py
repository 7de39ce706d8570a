"""Functionals computed from the rows of features, shard by shard, into the store."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tokser.functionals.group_plan import functionals_plan
from tokser.functionals.moments import mean_std, pool_rows
from tokser.progress import progress_bar
from tokser.store import FeatureName, GroupWriter, Layer, Store, StoreWriter

__all__ = ["pool_features"]


def pool_features(store: Store, features: Sequence[str], extra: Sequence[str]) -> None:
    """Write the functionals of features that the store lacks.

    Args:
        store: The store.
        features: Names of complete features.
        extra: Functionals beyond mean and standard deviation.

    Raises:
        StoreIncompleteError: A feature is incomplete; nothing was written.
    """
    by_group: dict[str, dict[str, Layer]] = {}
    for name in map(FeatureName.parse, features):
        layer = store[str(name)]
        layer.require_complete()
        by_group.setdefault(name.group, {})[name.feature] = layer
    with StoreWriter.reopen(store) as writer:
        for group, layers in by_group.items():
            first = next(iter(layers.values()))
            dims = {feature: layer.dim for feature, layer in layers.items()}
            lengths, made_by = first.layout.row_lengths, first.provenance
            plan = functionals_plan(group, dims, lengths, made_by, extra)
            _pool_group(writer.plan_group(plan), store, group, layers)


def _pool_group(target: GroupWriter, store: Store, group: str, layers: dict[str, Layer]) -> None:
    pending = target.pending()
    spans = {shard: target.layout.utterances(shard).tolist() for shard in pending}
    total = sum(len(spans[shard]) * len(arrays) for shard, arrays in pending.items())
    if not total:
        return
    num_utterances = sum(len(spans[shard]) for shard, arrays in pending.items() if arrays)
    label = f"pool {group}: {num_utterances} utterances, a vector for each of their features"
    with progress_bar(label, total=total, unit="vectors") as bar:
        for shard, arrays in target.claims():
            if not arrays:
                bar.advance(len(spans[shard]) * len(pending[shard]))
                continue
            ids = [store.ids[position] for position in spans[shard]]
            for array in arrays:
                name = FeatureName.parse(f"{group}/{array}")
                layer, quarantined = layers[name.feature], layers[name.feature].quarantined
                rows: list[NDArray[Any] | None] = []
                for one, position in zip(ids, spans[shard], strict=True):
                    rows.append(
                        None if one in quarantined else _pool(layer, position, name.functional)
                    )
                    bar.advance()
                # Layers of one encoder may have been extracted at different times.
                reasons = {one: quarantined[one] for one in ids if one in quarantined}
                target.commit(shard, {array: rows}, reasons)


def _pool(layer: Layer, position: int, functional: str) -> NDArray[Any]:
    rows = layer.rows_at(position)
    return (pool_rows(rows, functional) if functional else mean_std(rows))[None, :]
