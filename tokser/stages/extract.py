"""Stage 1: run frozen encoders over a corpus, once, into a store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.config import ExtractSettings
from tokser.encoders import TextEncoder
from tokser.encoders.passes import Encoded
from tokser.errors import StoreMismatchError, list_some
from tokser.progress import progress_bar, say
from tokser.stages.estimate import refuse_without_room
from tokser.stages.staleness import stale_recordings
from tokser.stages.work import TOKEN_IDS, Work, plan_works
from tokser.store import Claim, GroupWriter, Recording, StoreWriter, open_store, store_name

__all__ = ["Extraction", "extract"]

WORD = "word"


@dataclass(frozen=True)
class Extraction:
    """What a call of `extract` left behind.

    Attributes:
        store: Path of the store.
        features: Names of the features that it was to write.
        num_utterances: Utterances of the corpus.
        num_encoded: Utterances times encoders that had to be computed; 0 if all were there.
        quarantined: Reasons, by id, of the utterances that were set aside.
    """

    store: str
    features: tuple[str, ...]
    num_utterances: int
    num_encoded: int
    quarantined: dict[str, str]


def extract(settings: ExtractSettings) -> Extraction:
    """Scan the corpus, and write every encoder's activations into the store.

    Shards that are there already are kept, so the same call goes on where it was stopped; other
    processes may do the same at the same time, each shard is computed by one of them.

    Raises:
        InputError: The corpus, an encoder or the store is not what it should be, or the disk
            has no room.
        RunError: An encoder gave values that the store's dtype cannot hold.
    """
    manifest, works = plan_works(settings)
    refuse_without_room(settings, works)
    with StoreWriter(
        settings.store,
        dataset=manifest.dataset,
        manifest_text=manifest.csv_text(),
        manifest_digest=manifest.digest,
        root=str(manifest.root.resolve()),
    ) as writer:
        num_encoded = sum(_run(work, writer) for work in works)
    return Extraction(
        settings.store,
        tuple(f"{work.encoder.name}/{name}" for work in works for name in work.layers),
        len(manifest.table),
        num_encoded,
        open_store(settings.store).quarantined,
    )


def _run(work: Work, writer: StoreWriter) -> int:
    """Compute and commit what the store lacks; return the number of utterances encoded here."""
    name, store = work.encoder.name, work.settings.store
    group = writer.plan_group(work.plan)
    _refuse_stale(work)
    if work.encoder.kind == "text" and not group.has_lookup(WORD):
        _put_words(work, group, work.encoder)
    pending = group.pending()
    if not pending:
        say(f"{name}: already in {store}")
        return 0
    counts = {shard: _count(group, shard) for shard in pending}
    num_encoded = 0
    label = f"{name} -> {store_name(store)}"
    with progress_bar(label, total=sum(counts.values()), unit="utterances") as bar:
        for claim in group.claims():
            if claim.features:
                _run_shard(work, group, claim, bar.advance)
                num_encoded += counts[claim.shard]
            else:
                bar.advance(counts[claim.shard])
    return num_encoded


def _count(group: GroupWriter, shard: int) -> int:
    first, after = group.layout.shard_utterances(shard)
    return after - first


def _refuse_stale(work: Work) -> None:
    """Raise if recordings changed since they were encoded."""
    store, root = work.settings.store, work.manifest.root
    stale = stale_recordings(open_store(store), root, groups=(work.encoder.name,))
    if stale:
        raise StoreMismatchError(
            f"{store}, {work.encoder.name}",
            expected="the recordings that were encoded",
            got=list_some([f"{one.utterance}: {one.reason}" for one in stale], most=3),
            remedy=f"Restore them, or run `tokser store repair {store} --root {root}` to have "
            "them encoded again.",
        )


def _run_shard(
    work: Work, group: GroupWriter, claim: Claim, on_utterances: Callable[[int], None]
) -> None:
    span = range(*group.layout.shard_utterances(claim.shard))
    usable = [position for position in span if position not in work.rows.reasons]
    on_utterances(len(span) - len(usable))
    layers = [work.layers[name] for name in claim.features if name in work.layers]
    encoded = work.encode(usable, layers, on_utterances) if layers else Encoded()
    reasons = work.rows.reasons | encoded.reasons
    index = work.manifest.table.index
    group.commit(
        claim.shard,
        {name: [_values(work, name, i, encoded) for i in span] for name in claim.features},
        {str(index[i]): reasons[i] for i in span if i in reasons},
        _recordings(work, span, encoded),
    )


def _values(work: Work, feature: str, position: int, encoded: Encoded) -> NDArray[Any] | None:
    if position in work.rows.reasons or position in encoded.reasons:
        return None
    if feature == TOKEN_IDS:
        return work.rows.token_ids[position]
    return encoded.activations[position][work.layers[feature]]


def _recordings(work: Work, span: range, encoded: Encoded) -> list[Recording]:
    if work.encoder.kind == "text":
        return []
    found = encoded.fingerprints
    return [Recording(*found[i]) if i in found else Recording("", 0) for i in span]


def _put_words(work: Work, group: GroupWriter, encoder: TextEncoder) -> None:
    """Store the word-embedding rows that occur, once each: T is a table lookup."""
    keys = np.unique(np.concatenate(list(work.rows.token_ids)))
    table = encoder.word_embeddings(keys).astype(work.settings.dtype)
    group.put_lookup(WORD, ids=TOKEN_IDS, keys=keys, table=table)
