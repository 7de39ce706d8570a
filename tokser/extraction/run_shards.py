"""Shards computed and committed: reading runs ahead of the encoder, writing behind it."""

from collections.abc import Callable
from contextlib import closing

from tokser.extraction.batches import Part, launch_pass
from tokser.extraction.commit import Drain
from tokser.extraction.feature_specs import Recipe
from tokser.extraction.prefetch import feed
from tokser.extraction.progress import Meter
from tokser.store import Claims, GroupWriter

__all__ = ["run_shards"]


def run_shards(
    recipe: Recipe,
    group: GroupWriter,
    claims: Claims,
    part_of: Callable[[int], Part],
    meter: Meter,
) -> None:
    """Compute and commit shards: reading runs ahead of the encoder, writing behind it.

    The encoder runs in this thread. When it is stopped, by an error or by Ctrl-C, shards that
    are full are committed all the same, and nothing else is; all threads have ended then, and
    all claims are let go.

    Args:
        recipe: How features are made.
        group: Where they are committed.
        claims: Shards to take.
        part_of: Gives the utterances of a shard.
        meter: Is told of everything that is done.
    """

    def done_elsewhere(shard: int) -> None:
        meter.done_elsewhere(len(group.layout.utterances(shard)))

    with (
        claims,
        Drain(group, claims, meter) as drain,
        closing(feed(recipe, claims, part_of, done_elsewhere)) as passes,
    ):
        for filling, loaded in passes:
            landing = None
            if loaded is not None:
                landing = launch_pass(recipe.encoder, loaded, filling.layers, recipe.dtype)
            drain.put(filling, loaded, landing)
        drain.finish()
