"""A shard as a task: what travels to a worker of a cluster, and what it does there."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch

from tokser.config import ContextName, ExtractSettings, PrecisionName
from tokser.device import resolve_device
from tokser.encoders import SpeechEncoder, TextEncoder, load_encoder
from tokser.errors import StoreMismatchError
from tokser.extraction.batches import Part
from tokser.extraction.feature_specs import Recipe
from tokser.extraction.plan import Work
from tokser.extraction.progress import Meter, Pace
from tokser.extraction.run_shards import run_shards
from tokser.memory import keep_freed_on_workers
from tokser.provenance import digest_of
from tokser.scheduling import Workers, this_worker
from tokser.store import GroupPlan, GroupWriter, StoreWriter, is_remote, open_store

__all__ = ["ShardTask", "compute_shard", "run_on_workers"]

_ONE_AT_A_TIME = threading.Lock()
"""An encoder uses all threads that its worker has; two at once would only wait for each other."""


@dataclass(frozen=True)
class ShardTask:
    """One shard of one encoder, and all that computing it takes.

    Attributes:
        settings: Of the whole extraction.
        source: The encoder, a hub id or a folder that the worker sees, too.
        model: Digest of the encoder's provenance: what a worker keeps is of this model.
        group: Name of the group in the store.
        identity: Digest of what the group is: what a worker keeps is of this store.
        layers: Number of each layer, by its feature's name.
        shard: Number of the shard.
        part: Its utterances; recordings by paths that the worker sees, too.
    """

    settings: ExtractSettings
    source: str
    model: str
    group: str
    identity: str
    layers: tuple[tuple[str, int], ...]
    shard: int
    part: Part

    def __repr__(self) -> str:
        return f"{self.group}, shard {self.shard}"


def run_on_workers(
    crew: Workers,
    work: Work,
    group: GroupWriter,
    pending: Mapping[int, Sequence[str]],
    part_of: Callable[[int], Part],
    meter: Meter,
) -> None:
    """Have every pending shard computed and committed by the workers of a cluster."""
    place = work.settings.store
    absolute = place if is_remote(place) else str(Path(place).absolute())
    settings = work.settings.model_copy(update={"store": absolute})
    layers = tuple(work.recipe.layers.items())
    model = digest_of(work.encoder.provenance())
    identity = digest_of([group.identity, sorted(work.plan.features)])
    task = partial(ShardTask, settings, work.plan.source, model, work.plan.name, identity, layers)
    tasks = (task(shard, part_of(shard)) for shard in pending)
    for done, pace in crew.map(compute_shard, tasks):
        if pace.shard is None:
            meter.done_elsewhere(len(done.part.ids))
            continue
        meter.encoded(pace.encoded, pace.audio_s)
        meter.committed(pace.shard, num_bytes=pace.num_bytes, num_unusable=len(done.part.reasons))


def compute_shard(task: ShardTask) -> Pace:
    """Compute and commit one shard on a worker; its encoder is loaded once and kept.

    Returns:
        What was done; no shard if another process had committed it.
    """
    with _ONE_AT_A_TIME:
        encoder = _encoder(
            task.model,
            task.source,
            task.settings.revision,
            task.settings.device,
            task.settings.precision,
            task.settings.context,
        )
        recipe = Recipe.of(encoder, dict(task.layers), task.settings)
        group = _group(task.identity, task.settings.store, task.group)
        pace = Pace(len(task.part.ids), 1)
        meter = Meter(recipe.encoder.name, pace, every_s=math.inf)
        run_shards(recipe, group, group.claim([task.shard]), lambda shard: task.part, meter)
    return pace


@lru_cache(maxsize=1)
def _encoder(
    model: str,
    source: str,
    revision: str | None,
    device: str,
    precision: PrecisionName,
    context: ContextName,
) -> SpeechEncoder | TextEncoder:
    """Load an encoder, and keep it for further shards and stores.

    Raises:
        StoreMismatchError: It is another model here than where tasks are handed out.
    """
    address, num_threads = this_worker()
    torch.set_num_threads(num_threads)
    keep_freed_on_workers()
    encoder = load_encoder(
        source,
        revision=revision,
        device=resolve_device(device),
        precision=precision,
        context=context,
    )
    if digest_of(encoder.provenance()) != model:
        raise StoreMismatchError(
            f"worker {address}, {source}",
            expected="the model that the extraction was called with",
            got="another, or other versions of its files",
            remedy="Put the same files in this place on every machine.",
        )
    return encoder


@lru_cache(maxsize=1)
def _group(identity: str, path: str, name: str) -> GroupWriter:
    """Open the group that was laid down before tasks were handed out."""
    store = open_store(path)
    found = store.group(name)
    plan = GroupPlan(
        name=name,
        kind=found.kind,
        features=found.features,
        lengths=store.layout(name).row_lengths,
        provenance=found.provenance,
    )
    return StoreWriter.reopen(store).plan_group(plan)
