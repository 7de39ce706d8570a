"""Shards as tasks of a Dask cluster: what travels to a worker, and what it does there.

How it works: the calling process lays the group down in the store, and hands out one task for
each pending shard, the longest first. A task names the encoder, the group and the utterances by
paths that every machine sees; no audio and no activations travel. A worker loads the encoder and
opens the group once, keeps both for the tasks to come, and commits the shard itself, under the same
locks as any other process. What comes back are counts.

What must never happen: a worker with other weights than the caller's (its digest is compared), or
a kept encoder or group that belongs to an earlier call (both are looked up by digest); two tasks
at once in one worker (an encoder uses all its threads); a task that cannot be run twice (Dask
repeats those of a lost worker: the second finds the shard committed, or commits the same bits).
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from tokser.encoders import SpeechEncoder, TextEncoder
from tokser.errors import StoreMismatchError
from tokser.extraction.cost import longest_first, utterance_costs
from tokser.extraction.encoder_spec import EncoderSpec
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import FeatureSpecs
from tokser.extraction.load_batches import Utterances
from tokser.extraction.pending_group import PendingGroup
from tokser.extraction.plan import ExtractionPlan
from tokser.extraction.progress import ExtractionProgress, ProgressReporter
from tokser.extraction.run_shards import run_shards
from tokser.memory import keep_freed_on_workers
from tokser.provenance import digest_of
from tokser.scheduling import Workers, this_worker
from tokser.store import GroupPlan, GroupWriter, StoreWriter, is_remote, open_store

__all__ = ["GroupAddress", "ShardTask", "compute_shard", "run_on_workers"]

_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class GroupAddress:
    """A group of a store, as a worker finds it.

    Attributes:
        store: Absolute path or URL of the store.
        name: Name of the group.
        identity: Digest of what the group holds; a worker reuses a group of the same digest only.
    """

    store: str
    name: str
    identity: str


@dataclass(frozen=True)
class ShardTask:
    """One shard of one encoder.

    Attributes:
        encoder: How the encoder is loaded.
        model: Digest of the encoder's provenance, which the worker's must have.
        specs: Its features.
        group: Where they are committed.
        shard: Number of the shard.
        utterances: Its utterances.
    """

    encoder: EncoderSpec
    model: str
    specs: FeatureSpecs
    group: GroupAddress
    shard: int
    utterances: Utterances

    def __repr__(self) -> str:
        return f"{self.group.name}, shard {self.shard}"


def run_on_workers(
    workers: Workers,
    plan: ExtractionPlan,
    store: str,
    group: GroupWriter,
    pending: Mapping[int, Sequence[str]],
    utterances_of: Callable[[int], Utterances],
    reporter: ProgressReporter,
) -> None:
    """Have every pending shard computed and committed by the workers of a cluster."""
    address = GroupAddress(
        store if is_remote(store) else str(Path(store).absolute()),
        plan.group.name,
        digest_of([group.identity, sorted(plan.group.features)]),
    )
    model = digest_of(plan.encoder.provenance())
    task = partial(ShardTask, plan.encoder_spec, model, plan.extractor.specs, address)
    shards = longest_first(utterance_costs(plan), group.layout, pending)
    tasks = (task(shard, utterances_of(shard)) for shard in shards)
    for done, progress in workers.map(compute_shard, tasks, whole_workers=True):
        if progress.shard is None:
            reporter.done_elsewhere(len(done.utterances.ids))
            continue
        reporter.encoded(progress.encoded, progress.audio_s)
        reporter.committed(
            progress.shard,
            num_bytes=progress.num_bytes,
            num_quarantined=len(done.utterances.quarantined),
        )


def compute_shard(task: ShardTask) -> ExtractionProgress:
    """Compute and commit one shard on a worker.

    Returns:
        What was done; `shard` is None if another process had committed it.
    """
    with _ONE_AT_A_TIME:
        encoder = _encoder(task.encoder, task.model)
        extractor = Extractor(encoder, task.specs, task.encoder.batch_seconds_here())
        group = _group(task.group)
        progress = ExtractionProgress(len(task.utterances.ids), 1)
        reporter = ProgressReporter(encoder.name, progress, every_s=math.inf)
        claims = group.claim([task.shard])
        run_shards([PendingGroup(extractor, group, claims, lambda _: task.utterances, reporter)])
    return progress


@lru_cache(maxsize=1)
def _encoder(spec: EncoderSpec, model: str) -> SpeechEncoder | TextEncoder:
    """Load an encoder, and keep it for further shards and stores.

    Raises:
        StoreMismatchError: The model here differs from the caller's.
    """
    import torch  # takes seconds, and who only reads a plan must not wait for it

    address, num_threads = this_worker()
    torch.set_num_threads(num_threads)
    keep_freed_on_workers()
    encoder = spec.load()
    if digest_of(encoder.provenance()) != model:
        raise StoreMismatchError(
            f"worker {address}, {spec.source}",
            expected="the model that the extraction was started with",
            got="another model, or other versions of its files",
            remedy="Put the same files in this folder on every machine.",
        )
    return encoder


@lru_cache(maxsize=1)
def _group(address: GroupAddress) -> GroupWriter:
    """Open the group that was laid down before tasks were handed out, and keep it."""
    store = open_store(address.store)
    found = store.group(address.name)
    plan = GroupPlan(
        name=address.name,
        kind=found.kind,
        features=found.features,
        lengths=store.layout(address.name).row_lengths,
        provenance=found.provenance,
    )
    return StoreWriter.reopen(store).plan_group(plan)
