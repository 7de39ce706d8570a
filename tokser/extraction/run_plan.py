"""An extraction plan carried out: what the store lacks is computed, here or on workers."""

import numpy as np

from tokser.extraction.feature_specs import TOKEN_IDS, WORD
from tokser.extraction.load_batches import Utterances
from tokser.extraction.plan import ExtractionPlan
from tokser.extraction.progress import ExtractionProgress, report_progress
from tokser.extraction.run_shards import run_shards
from tokser.extraction.shard_task import run_on_workers
from tokser.extraction.stale import refuse_stale
from tokser.extraction.summary import Summary, summarise
from tokser.progress import say
from tokser.scheduling import Workers
from tokser.store import GroupWriter, StoreWriter, open_store, store_name

__all__ = ["run_plan"]


def run_plan(
    plan: ExtractionPlan, writer: StoreWriter, store: str, workers: Workers | None = None
) -> Summary:
    """Compute and commit what a store lacks of one encoder.

    Args:
        plan: What is to be written.
        writer: Of the store.
        store: Path or URL of the store.
        workers: Who computes; None: this process.

    Raises:
        StoreMismatchError: Recordings changed since they were encoded.
        RunError: The encoder computed values that the stored dtype cannot hold.
    """
    name, group = plan.encoder.name, writer.plan_group(plan.group)
    refuse_stale(open_store(store), plan.manifest.root, plan.group.name)
    if TOKEN_IDS in plan.group.features:
        put_word_table(plan, group)
    pending = group.pending()
    if not pending:
        say(f"{name}: already in {store}")
        return summarise(plan, ExtractionProgress(0, 0), 0.0)

    def utterances_of(shard: int) -> Utterances:
        return plan.utterances(group.layout.utterances(shard).tolist())

    num_utterances = sum(len(group.layout.utterances(shard)) for shard in pending)
    progress = ExtractionProgress(num_utterances, len(pending), plan.encoder.kind)
    with report_progress(f"{name} -> {store_name(store)}", name, progress) as reporter:
        if workers is None:
            run_shards(plan.extractor, group, group.claim(pending), utterances_of, reporter)
        else:
            run_on_workers(workers, plan, store, group, pending, utterances_of, reporter)
    return summarise(plan, progress, reporter.seconds)


def put_word_table(plan: ExtractionPlan, group: GroupWriter) -> None:
    """Store the word-embedding rows of the tokens that occur, once each: T is a lookup."""
    keys = np.unique(np.concatenate(list(plan.rows.token_ids)))
    there = group.lookup_keys(WORD)
    if there is not None and np.isin(keys, there).all():
        return
    if there is not None:
        keys = np.union1d(keys, there)
    group.put_lookup(WORD, ids=TOKEN_IDS, keys=keys, table=plan.extractor.word_rows(keys))
