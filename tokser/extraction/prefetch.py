"""Before the encoder: shards are claimed, and their passes read ahead by threads."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from tokser.device import keep_to_one_thread
from tokser.extraction.batches import Loaded, Part, cut_passes, load_pass
from tokser.extraction.feature_specs import Filling, Recipe
from tokser.store import Claims
from tokser.store.claims import POLL_S

__all__ = ["feed"]

MOST_THREADS = 8


def feed(
    recipe: Recipe,
    claims: Claims,
    part_of: Callable[[int], Part],
    on_done_elsewhere: Callable[[int], None],
) -> Generator[tuple[Filling, Loaded | None], None, None]:
    """Yield pass after pass, over the bounds of shards, those ahead being read meanwhile.

    A few passes are held at a time. A shard is claimed when its first pass is about to be read;
    whoever takes what is yielded lets go of it.

    Args:
        recipe: How passes are cut and read.
        claims: Shards to take.
        part_of: Gives the utterances of a shard.
        on_done_elsewhere: Called with a shard that another process has computed meanwhile.

    Yields:
        A shard that is being filled, and a pass of it; None if it needs no pass.
    """
    num_threads = max(1, min(MOST_THREADS, (os.cpu_count() or 1) - 1))
    ahead: deque[tuple[Filling, Future[Loaded] | None]] = deque()
    steps = _steps(recipe, claims, part_of, on_done_elsewhere)
    pool = ThreadPoolExecutor(num_threads, "feed", initializer=keep_to_one_thread)
    try:
        while True:
            while len(ahead) <= 2 * num_threads and (step := next(steps)) is not None:
                filling, places = step
                soon = None
                if places:
                    soon = pool.submit(load_pass, recipe.encoder, filling.part, places)
                ahead.append((filling, soon))
            if ahead:
                filling, soon = ahead.popleft()
                yield filling, None if soon is None else soon.result()
            elif claims.num_waiting:
                time.sleep(POLL_S)  # others compute what is left
            else:
                return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _steps(
    recipe: Recipe,
    claims: Claims,
    part_of: Callable[[int], Part],
    on_done_elsewhere: Callable[[int], None],
) -> Iterator[tuple[Filling, list[int]] | None]:
    """Yield the passes of every shard, endlessly; None while there is none to be had."""
    while True:
        claim = claims.take()
        if claim is None:
            yield None
        elif not claim.features:
            claims.release(claim.shard)
            on_done_elsewhere(claim.shard)
        else:
            filling = Filling(claim.shard, claim.features, part_of(claim.shard), recipe)
            passes: list[list[int]] = []
            if filling.layers:
                passes = cut_passes(recipe.encoder, filling.part, recipe.batch_seconds)
            filling.num_passes_left = len(passes)
            for places in passes or [[]]:
                yield filling, places
