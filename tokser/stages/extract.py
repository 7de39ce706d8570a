"""Stage 1: run frozen encoders over a corpus, once, into a store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.config import ExtractSettings
from tokser.corpora.manifest import Manifest
from tokser.corpora.registry import scan_corpus
from tokser.device import resolve_device
from tokser.encoders import SpeechEncoder, TextEncoder, load_encoder
from tokser.encoders.base import choose_layers, layer_name
from tokser.encoders.passes import Encoded, encode_speech, encode_text
from tokser.encoders.rows import Rows, count_frames, count_tokens
from tokser.errors import InputError, StoreMismatchError, list_some
from tokser.progress import progress_bar, say
from tokser.stages.staleness import stale_recordings
from tokser.store import (
    Claim,
    FeatureSpec,
    GroupPlan,
    GroupWriter,
    Recording,
    StoreWriter,
    open_store,
    store_name,
)

__all__ = ["Extraction", "extract"]

TOKEN_IDS, WORD = "token_ids", "word"


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

    Shards that are there already are kept, so the same call goes on where it was stopped.

    Raises:
        InputError: The corpus, an encoder or the store is not what it should be.
        RunError: An encoder gave values that the store's dtype cannot hold.
    """
    device = resolve_device(settings.device)
    manifest = scan_corpus(
        settings.dataset, settings.root, splits=settings.splits, subset=settings.subset
    )
    encoders = [
        load_encoder(source, revision=settings.revision, device=device)
        for source in settings.encoders
    ]
    works = [_Work(encoder, manifest, settings) for encoder in encoders]
    with StoreWriter(
        settings.store,
        dataset=manifest.dataset,
        manifest_text=manifest.csv_text(),
        manifest_digest=manifest.digest,
        root=str(manifest.root.resolve()),
    ) as writer:
        num_encoded = sum(work.run(writer) for work in works)
    quarantined = open_store(settings.store).quarantined
    return Extraction(
        settings.store,
        tuple(f"{work.encoder.name}/{name}" for work in works for name in work.layers),
        len(manifest.table),
        num_encoded,
        quarantined,
    )


class _Work:
    """One encoder over one corpus."""

    def __init__(
        self, encoder: SpeechEncoder | TextEncoder, manifest: Manifest, settings: ExtractSettings
    ) -> None:
        self.encoder, self.manifest, self.settings = encoder, manifest, settings
        self.rows = _count_rows(encoder, manifest)
        self._require_something(manifest)
        self.layers = {layer_name(encoder, i): i for i in choose_layers(encoder, settings.layers)}
        packed = settings.compression
        spec = FeatureSpec(dim=encoder.dim, dtype=settings.dtype, compression=packed)
        specs = dict.fromkeys(self.layers, spec)
        if encoder.kind == "text":
            specs[TOKEN_IDS] = FeatureSpec(dim=None, dtype="int32", compression=packed)
        self.plan = GroupPlan(
            name=encoder.name,
            kind=encoder.kind,
            features=specs,
            lengths=self.rows.lengths,
            provenance=encoder.provenance(),
            shard_bytes=settings.shard_mb * 2**20,
        )

    def _require_something(self, manifest: Manifest) -> None:
        if self.rows.lengths.any():
            return
        reasons = [f"{manifest.table.index[i]}: {why}" for i, why in self.rows.reasons.items()]
        raise InputError(
            f"{manifest.root}, {self.encoder.name}",
            expected="at least one usable utterance",
            got=f"none ({list_some(reasons, most=3) or 'the corpus is empty'})",
            remedy="Mend the recordings or transcripts; nothing was written.",
        )

    def run(self, writer: StoreWriter) -> int:
        """Compute and commit what the store lacks; return the number of utterances encoded here.

        Other processes may do the same at the same time: each shard is computed by one of them.
        """
        group = writer.plan_group(self.plan)
        self._refuse_stale()
        if self.encoder.kind == "text" and not group.has_lookup(WORD):
            self._put_words(group, self.encoder)
        pending = group.pending()
        spans = {shard: group.layout.shard_utterances(shard) for shard in pending}
        total = sum(after - first for first, after in spans.values())
        if not pending:
            say(f"{self.encoder.name}: already in {self.settings.store}")
            return 0
        label = f"{self.encoder.name} -> {store_name(self.settings.store)}"
        num_encoded = 0
        with progress_bar(label, total=total, unit="utterances") as bar:
            for claim in group.claims():
                first, after = group.layout.shard_utterances(claim.shard)
                if claim.features:
                    self._run_shard(group, claim, bar.advance)
                    num_encoded += after - first
                else:
                    bar.advance(after - first)
        return num_encoded

    def _refuse_stale(self) -> None:
        """Raise if recordings changed since they were encoded."""
        store = open_store(self.settings.store)
        stale = stale_recordings(store, self.manifest.root, groups=(self.encoder.name,))
        if stale:
            raise StoreMismatchError(
                f"{self.settings.store}, {self.encoder.name}",
                expected="the recordings that were encoded",
                got=list_some([f"{one.utterance}: {one.reason}" for one in stale], most=3),
                remedy=f"Restore them, or run `tokser store repair {self.settings.store} "
                f"--root {self.manifest.root}` to have them encoded again.",
            )

    def _run_shard(
        self,
        group: GroupWriter,
        claim: Claim,
        on_utterances: Callable[[int], None],
    ) -> None:
        span = range(*group.layout.shard_utterances(claim.shard))
        usable = [position for position in span if position not in self.rows.reasons]
        on_utterances(len(span) - len(usable))
        layers = [self.layers[name] for name in claim.features if name in self.layers]
        encoded = self._encode(usable, layers, on_utterances) if layers else Encoded()
        reasons = self.rows.reasons | encoded.reasons
        index = self.manifest.table.index
        group.commit(
            claim.shard,
            {name: [self._values(name, i, encoded) for i in span] for name in claim.features},
            {str(index[i]): reasons[i] for i in span if i in reasons},
            self._recordings(span, encoded),
        )

    def _recordings(self, span: range, encoded: Encoded) -> list[Recording]:
        if self.encoder.kind == "text":
            return []
        found = encoded.fingerprints
        return [Recording(*found[i]) if i in found else Recording("", 0) for i in span]

    def _encode(
        self, positions: list[int], layers: list[int], on_utterances: Callable[[int], None]
    ) -> Encoded:
        encoder = self.encoder
        if encoder.kind == "text":
            return encode_text(encoder, self.rows, positions, layers, on_utterances=on_utterances)
        return encode_speech(
            encoder,
            self.manifest,
            positions,
            layers,
            batch_seconds=self.settings.batch_seconds,
            on_utterances=on_utterances,
        )

    def _values(self, feature: str, position: int, encoded: Encoded) -> NDArray[Any] | None:
        if position in self.rows.reasons or position in encoded.reasons:
            return None
        if feature == TOKEN_IDS:
            return self.rows.token_ids[position]
        return encoded.activations[position][self.layers[feature]]

    def _put_words(self, group: GroupWriter, encoder: TextEncoder) -> None:
        """Store the word-embedding rows that occur, once each: T is a table lookup."""
        keys = np.unique(np.concatenate(list(self.rows.token_ids)))
        table = encoder.word_embeddings(keys)
        group.put_lookup(WORD, ids=TOKEN_IDS, keys=keys, table=table.astype(self.settings.dtype))


def _count_rows(encoder: SpeechEncoder | TextEncoder, manifest: Manifest) -> Rows:
    if encoder.kind == "text":
        return count_tokens(encoder, manifest)
    return count_frames(encoder, manifest)
