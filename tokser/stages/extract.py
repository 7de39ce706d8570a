"""Stage 1: run frozen encoders over a corpus, once, into a store."""

from contextlib import ExitStack
from dataclasses import dataclass

from tokser.config import ExtractSettings
from tokser.extraction.estimate import require_free_disk
from tokser.extraction.plan import plan_extraction
from tokser.extraction.run_plan import run_plans
from tokser.extraction.summary import Summary
from tokser.scheduling import workers
from tokser.store import StoreWriter, open_store
from tokser.store.list_quarantined import all_quarantined

__all__ = ["Extraction", "extract"]


@dataclass(frozen=True)
class Extraction:
    """What a call of `extract` did.

    Attributes:
        store: Path of the store.
        features: Names of the features that were requested.
        num_utterances: Utterances of the corpus.
        num_encoded: Utterances times encoders that had to be computed; 0 if all were there.
        quarantined: Reasons of the quarantined utterances, by id.
        summaries: What was done for each encoder.
    """

    store: str
    features: tuple[str, ...]
    num_utterances: int
    num_encoded: int
    quarantined: dict[str, str]
    summaries: tuple[Summary, ...] = ()


def extract(settings: ExtractSettings) -> Extraction:
    """Scan the corpus, and write every encoder's activations into the store.

    Shards that are there already are kept, so the same call continues an interrupted one; other
    processes may run the same call at the same time, each shard is computed by one of them.

    Raises:
        InputError: The corpus, an encoder or the store is not what it should be, or the disk
            is too full, or no scheduler answers.
        RunError: An encoder computed values that the store's dtype cannot hold.
    """
    with ExitStack() as stack:
        cluster = None
        if settings.scheduler is not None or settings.cluster is not None:
            cluster = stack.enter_context(workers(settings.scheduler, settings.cluster))
        manifest, plans = plan_extraction(settings)
        require_free_disk(settings.store, plans)
        writer = StoreWriter(
            settings.store,
            dataset=manifest.dataset,
            manifest_text=manifest.csv_text(),
            manifest_digest=manifest.digest,
            root=str(manifest.root.resolve()),
            may_grow=True,
        )
        stack.enter_context(writer)
        summaries = tuple(run_plans(plans, writer, settings.store, cluster))
    return Extraction(
        settings.store,
        tuple(feature for plan in plans for feature in plan.features),
        len(manifest.table),
        sum(summary.num_computed for summary in summaries),
        all_quarantined(open_store(settings.store)),
        summaries,
    )
