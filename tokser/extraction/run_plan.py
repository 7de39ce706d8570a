"""Extraction plans carried out: what the store lacks is computed, here or on workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np

from tokser.extraction.feature_specs import TOKEN_IDS, WORD
from tokser.extraction.load_batches import Utterances
from tokser.extraction.pending_group import PendingGroup
from tokser.extraction.plan import ExtractionPlan
from tokser.extraction.progress import (
    ExtractionProgress,
    ProgressReporter,
    Reported,
    report_all,
    report_progress,
)
from tokser.extraction.run_shards import run_shards
from tokser.extraction.shard_task import run_on_workers
from tokser.extraction.shared_audio import MAX_BYTES, SharedAudio
from tokser.extraction.stale import refuse_stale
from tokser.extraction.summary import Summary, summarise
from tokser.progress import say
from tokser.scheduling import Workers
from tokser.store import GroupWriter, StoreWriter, open_store, store_name

__all__ = ["run_plans"]


@dataclass(frozen=True)
class _Task:
    """A plan, its group in the store, and what that lacks."""

    plan: ExtractionPlan
    group: GroupWriter
    pending: Mapping[int, Sequence[str]]
    progress: ExtractionProgress

    def utterances(self, shard: int, shared: SharedAudio | None = None) -> Utterances:
        found = self.plan.utterances(self.group.layout.utterances(shard).tolist())
        return found if shared is None else replace(found, shared=shared)

    def reported(self, store: str) -> Reported:
        name = self.plan.encoder.name
        return Reported(f"{name} -> {store_name(store)}", name, self.progress)

    def pending_group(self, reporter: ProgressReporter, shared: SharedAudio | None) -> PendingGroup:
        return PendingGroup(
            self.plan.extractor,
            self.group,
            self.group.claim(self.pending),
            partial(self.utterances, shared=shared),
            reporter,
        )

    def ids_to_read(self) -> list[str]:
        """Ids of the recordings that will be read."""
        return [
            found.ids[place]
            for found in map(self.utterances, self.pending)
            for place in found.usable
        ]


def run_plans(
    plans: Sequence[ExtractionPlan],
    writer: StoreWriter,
    store: str,
    workers: Workers | None = None,
) -> list[Summary]:
    """Compute and commit what a store lacks of some encoders.

    Encoders of speech that follow each other take turns, shard by shard, so that each recording
    is decoded once. On workers, where a shard may be anywhere, they come one after the other.

    Args:
        plans: What is to be written.
        writer: Of the store.
        store: Path or URL of the store.
        workers: Who computes; None: this process.

    Returns:
        What was done, plan by plan.

    Raises:
        StoreMismatchError: Recordings changed since they were encoded.
        RunError: An encoder computed values that the stored dtype cannot hold.
    """
    found: list[Summary] = []
    for kind, same in groupby(plans, lambda plan: plan.encoder.kind):
        if kind == "speech" and workers is None:
            found += _run_together([_begun(plan, writer, store) for plan in same], store)
            continue
        for plan in same:
            task = _begun(plan, writer, store)
            if workers is None:
                found += _run_together([task], store)
            else:
                found.append(_run_on(workers, task, store))
    return found


def _begun(plan: ExtractionPlan, writer: StoreWriter, store: str) -> _Task:
    """Lay down a plan's group in the store, and see what it lacks."""
    group = writer.plan_group(plan.group)
    refuse_stale(open_store(store), plan.manifest.root, plan.group.name)
    if TOKEN_IDS in plan.group.features:
        put_word_table(plan, group)
    pending = group.pending()
    total = sum(len(group.layout.utterances(shard)) for shard in pending)
    if not pending:
        say(f"{plan.encoder.name}: already in {store}")
    progress = ExtractionProgress(total, len(pending), plan.encoder.kind)
    return _Task(plan, group, pending, progress)


def _run_together(tasks: Sequence[_Task], store: str) -> list[Summary]:
    """Compute what some groups lack, in this process, in turns."""
    todo = [task for task in tasks if task.pending]
    shared = None
    if len(todo) > 1:
        shared = SharedAudio((task.ids_to_read() for task in todo), MAX_BYTES)
    seconds: dict[str, float] = {}
    if todo:
        with report_all([task.reported(store) for task in todo]) as reporters:
            run_shards(
                [
                    task.pending_group(reporter, shared)
                    for task, reporter in zip(todo, reporters, strict=True)
                ]
            )
        seconds = {
            task.plan.group.name: reporter.seconds
            for task, reporter in zip(todo, reporters, strict=True)
        }
    return [
        summarise(task.plan, task.progress, seconds.get(task.plan.group.name, 0.0))
        for task in tasks
    ]


def _run_on(workers: Workers, task: _Task, store: str) -> Summary:
    if not task.pending:
        return summarise(task.plan, task.progress, 0.0)
    with report_progress(*task.reported(store)) as reporter:
        run_on_workers(
            workers, task.plan, store, task.group, task.pending, task.utterances, reporter
        )
    return summarise(task.plan, task.progress, reporter.seconds)


def put_word_table(plan: ExtractionPlan, group: GroupWriter) -> None:
    """Store the word-embedding rows of the tokens that occur, once each: T is a lookup."""
    keys = np.unique(np.concatenate(list(plan.rows.token_ids)))
    there = group.lookup_keys(WORD)
    if there is not None and np.isin(keys, there).all():
        return
    if there is not None:
        keys = np.union1d(keys, there)
    group.put_lookup(WORD, ids=TOKEN_IDS, keys=keys, table=plan.extractor.word_rows(keys))
