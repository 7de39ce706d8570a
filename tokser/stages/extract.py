"""Stage 1: run frozen encoders over a corpus, once, into a store."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from tokser.config import ExtractSettings
from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.errors import StoreMismatchError, list_some
from tokser.extraction.batches import Part
from tokser.extraction.estimate import refuse_without_room
from tokser.extraction.feature_specs import TOKEN_IDS, WORD
from tokser.extraction.plan import Work, plan_works
from tokser.extraction.progress import Meter, Pace, metered
from tokser.extraction.run_shards import run_shards
from tokser.extraction.stale import stale_recordings
from tokser.progress import say
from tokser.scheduling import Workers, workers
from tokser.store import GroupWriter, StoreWriter, open_store, store_name
from tokser.store.quarantine import all_quarantined

__all__ = ["Extraction", "Summary", "extract"]


@dataclass(frozen=True)
class Summary:
    """What one encoder's extraction came to, in this call.

    Attributes:
        encoder: Name of the model.
        num_usable: Utterances of the corpus that it can encode.
        num_encoded: Those that were encoded now; the others were there already.
        num_computed: The same and those set aside, of the shards that were written now.
        num_set_aside: Utterances without activations, by their headers or transcripts.
        num_resampled: Usable recordings that are not of 16 kHz.
        num_windowed: Usable recordings that are longer than the model's window.
        audio_s: Audio that was encoded now, in seconds.
        seconds: Time that it took.
        num_bytes: Bytes written.
    """

    encoder: str
    num_usable: int
    num_encoded: int
    num_computed: int
    num_set_aside: int
    num_resampled: int
    num_windowed: int
    audio_s: float
    seconds: float
    num_bytes: int


@dataclass(frozen=True)
class Extraction:
    """What a call of `extract` left behind.

    Attributes:
        store: Path of the store.
        features: Names of the features that it was to write.
        num_utterances: Utterances of the corpus.
        num_encoded: Utterances times encoders that had to be computed; 0 if all were there.
        quarantined: Reasons, by id, of the utterances that were set aside.
        summaries: What each encoder's part came to.
    """

    store: str
    features: tuple[str, ...]
    num_utterances: int
    num_encoded: int
    quarantined: dict[str, str]
    summaries: tuple[Summary, ...] = ()


def extract(settings: ExtractSettings) -> Extraction:
    """Scan the corpus, and write every encoder's activations into the store.

    Shards that are there already are kept, so the same call goes on where it was stopped; other
    processes may do the same at the same time, each shard is computed by one of them.

    Raises:
        InputError: The corpus, an encoder or the store is not what it should be, or the disk
            has no room, or no scheduler answers.
        RunError: An encoder gave values that the store's dtype cannot hold.
    """
    with ExitStack() as stack:
        crew = None
        if settings.scheduler is not None or settings.cluster is not None:
            crew = stack.enter_context(workers(settings.scheduler, settings.cluster))
        manifest, works = plan_works(settings)
        refuse_without_room(settings, works)
        writer = StoreWriter(
            settings.store,
            dataset=manifest.dataset,
            manifest_text=manifest.csv_text(),
            manifest_digest=manifest.digest,
            root=str(manifest.root.resolve()),
            may_grow=True,
        )
        stack.enter_context(writer)
        summaries = tuple(_run(work, writer, crew) for work in works)
    return Extraction(
        settings.store,
        tuple(f"{work.encoder.name}/{name}" for work in works for name in work.recipe.layers),
        len(manifest.table),
        sum(summary.num_computed for summary in summaries),
        all_quarantined(open_store(settings.store)),
        summaries,
    )


def _run(work: Work, writer: StoreWriter, crew: Workers | None) -> Summary:
    """Compute and commit what the store lacks of one encoder."""
    name, store = work.encoder.name, work.settings.store
    group = writer.plan_group(work.plan)
    _refuse_stale(work)
    if work.encoder.kind == "text" and TOKEN_IDS in work.plan.features:
        _put_words(work, group)
    pending = group.pending()
    if not pending:
        say(f"{name}: already in {store}")
        return _summary(work, Pace(0, 0), 0.0)
    with _metered(work, group, list(pending)) as meter:
        if crew is None:
            run_shards(work.recipe, group, group.claim(pending), _parts(work, group), meter)
        else:
            from tokser.extraction.shard_task import run_on_workers

            run_on_workers(crew, work, group, pending, _parts(work, group), meter)
    return _summary(work, meter.pace, meter.seconds)


@contextmanager
def _metered(work: Work, group: GroupWriter, shards: list[int]) -> Iterator[Meter]:
    name = work.encoder.name
    pace = Pace(sum(_count(group, shard) for shard in shards), len(shards))
    with metered(f"{name} -> {store_name(work.settings.store)}", name, pace) as meter:
        yield meter


def _parts(work: Work, group: GroupWriter) -> Callable[[int], Part]:
    return lambda shard: work.part(group.layout.utterances(shard).tolist())


def _summary(work: Work, pace: Pace, seconds: float) -> Summary:
    usable = work.rows.lengths > 0
    rates = work.manifest.table["sampling_rate_hz"].to_numpy()
    window_s = work.provenance.get("window_s")
    is_speech = work.encoder.kind == "speech"
    longest = window_s * SAMPLING_RATE_HZ if window_s else np.inf
    return Summary(
        encoder=work.encoder.name,
        num_usable=int(usable.sum()),
        num_encoded=pace.encoded,
        num_computed=pace.encoded + pace.set_aside,
        num_set_aside=int((~usable).sum()),
        num_resampled=int((usable & (rates != SAMPLING_RATE_HZ)).sum()) if is_speech else 0,
        num_windowed=int((usable & (work.num_samples > longest)).sum()) if is_speech else 0,
        audio_s=pace.audio_s,
        seconds=seconds,
        num_bytes=pace.num_bytes,
    )


def _count(group: GroupWriter, shard: int) -> int:
    return len(group.layout.utterances(shard))


def _refuse_stale(work: Work) -> None:
    """Raise if recordings changed since they were encoded."""
    store, root = work.settings.store, work.manifest.root
    stale = stale_recordings(open_store(store), root, groups=(work.plan.name,))
    if stale:
        raise StoreMismatchError(
            f"{store}, {work.plan.name}",
            expected="the recordings that were encoded",
            got=list_some([f"{one.utterance}: {one.reason}" for one in stale], most=3),
            remedy=f"Restore them, or run `tokser store repair {store} --root {root}` to have "
            "them encoded again.",
        )


def _put_words(work: Work, group: GroupWriter) -> None:
    """Store the word-embedding rows that occur, once each: T is a table lookup."""
    keys = np.unique(np.concatenate(list(work.rows.token_ids)))
    there = group.lookup_keys(WORD)
    if there is not None and np.isin(keys, there).all():
        return
    if there is not None:
        keys = np.union1d(keys, there)
    group.put_lookup(WORD, ids=TOKEN_IDS, keys=keys, table=work.recipe.word_rows(keys))
