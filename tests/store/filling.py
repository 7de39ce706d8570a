"""A small store that has everything: speech, text with a table, functionals of both."""

import numpy as np

from tokser.config import PoolSettings
from tokser.stages.pool import pool

__all__ = ["add_text", "fill"]


def fill(stores) -> None:
    """Write two layers of nine utterances, their functionals and more, and a text group."""
    table = stores.manifest(9)
    plan = stores.plan(table, features={"layer-1": 4, "layer-2": 4}, shard_bytes=2_000)
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan)
        add_text(stores, writer, table)
    pool(PoolSettings(store=str(stores.path), functionals=("max",)))


def add_text(stores, writer, table):
    lengths = np.full(len(table), 3)
    plan = stores.plan(table, name="bert", kind="text", features={"contextual": 5}, lengths=lengths)
    ids = plan.features["contextual"].model_copy(update={"dim": None, "dtype": "int32"})
    plan = plan.model_copy(update={"features": plan.features | {"token_ids": ids}})
    group = writer.plan_group(plan)
    for shard in group.pending():
        span = range(*group.layout.shard_utterances(shard))
        rows = {
            "contextual": [stores.rows(plan, "contextual", i) for i in span],
            "token_ids": [np.array([i, 20, 21], dtype=np.int32) for i in span],
        }
        group.commit(shard, rows, {})
    keys = np.array([*range(len(table)), 20, 21], dtype=np.int32)
    table_rows = np.arange(len(keys) * 5, dtype=np.float16).reshape(-1, 5)
    group.put_lookup("word", ids="token_ids", keys=keys, table=table_rows)
