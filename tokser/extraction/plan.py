"""One encoder over one corpus: what it will write, and how it computes that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.config import ExtractSettings
from tokser.corpora.manifest import CHANNEL, Manifest, channel_of
from tokser.corpora.registry import load_corpus
from tokser.corpora.waveform import RESAMPLING, SAMPLING_RATE_HZ, resampled_length
from tokser.device import resolve_device
from tokser.encoders import SpeechEncoder, TextEncoder, load_encoder
from tokser.encoders.base import Activations, choose_layers, layer_name
from tokser.errors import CorruptStoreError, InputError, list_some
from tokser.extraction.batches import Part, cut_passes, launch_pass, load_pass
from tokser.extraction.count_rows import Rows, count_frames, count_tokens
from tokser.extraction.feature_specs import TOKEN_IDS, WORD, Recipe
from tokser.functionals.group_plan import functionals_plan
from tokser.store import FeatureSpec, GroupPlan, open_store
from tokser.store.address import backend_at, is_store
from tokser.store.layout import MIN_SHARDS

__all__ = ["TOKEN_IDS", "Encoded", "Work", "plan_works"]

UTTERANCES_PER_SHARD = 512
"""Of functionals alone, which take few bytes: a stop loses what encoding so many takes."""

OnUtterances = Callable[[int], None]


def plan_works(settings: ExtractSettings) -> tuple[Manifest, list["Work"]]:
    """Scan the corpus, load the encoders, and count what each will write.

    Raises:
        InputError: The corpus or an encoder is not what it should be.
    """
    device = resolve_device(settings.device)
    manifest = load_corpus(
        settings.dataset,
        settings.root,
        manifest=settings.manifest,
        splits=settings.splits,
        subset=settings.subset,
    )
    manifest = in_store_order(manifest, settings.store)
    encoders = [
        load_encoder(
            source,
            revision=settings.revision,
            device=device,
            precision=settings.precision,
            context=settings.context,
        )
        for source in settings.encoders
    ]
    works = [Work(encoder, manifest, settings) for encoder in encoders]
    for work, source in zip(works, settings.encoders, strict=True):
        work.plan = work.plan.model_copy(update={"source": _absolute(source)})
    return manifest, works


@dataclass
class Encoded:
    """By position: activations in fp32, and why an utterance has none."""

    activations: dict[int, Activations] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


class Work:
    """One encoder over one corpus.

    Attributes:
        encoder: The frozen model.
        manifest: The corpus.
        settings: What was asked for.
        rows: Rows of every utterance, and why some have none.
        num_samples: Length of each recording at 16 kHz, 0 for one that is broken.
        recipe: How features are made.
        provenance: What makes the rows, of this encoder on this corpus.
        plan: The group that the store will hold.
    """

    def __init__(
        self, encoder: SpeechEncoder | TextEncoder, manifest: Manifest, settings: ExtractSettings
    ) -> None:
        self.encoder, self.manifest, self.settings = encoder, manifest, settings
        self.rows = _count_rows(encoder, manifest)
        self._require_something()
        layers = {layer_name(encoder, i): i for i in choose_layers(encoder, settings.layers)}
        self.recipe = Recipe.of(encoder, layers, settings)
        make = plan_functionals if settings.functionals_only else plan_rows
        self.num_samples = _samples_at_16_khz(manifest)
        self.provenance = self._provenance()
        self.plan = make(self.recipe, self.rows.lengths, self.provenance, settings)

    def part(self, positions: Sequence[int]) -> Part:
        """Return some utterances of the manifest, and all that encoding them takes."""
        table, rows, is_text = self.manifest.table, self.rows, self.encoder.kind == "text"
        paths = [] if is_text else table["path"].iloc[list(positions)]
        return Part(
            ids=[str(name) for name in table.index[list(positions)]],
            num_samples=self.num_samples[list(positions)].tolist(),
            reasons={
                place: rows.reasons[position]
                for place, position in enumerate(positions)
                if position in rows.reasons
            },
            paths=[self.manifest.root.absolute() / str(path) for path in paths],
            channels=[] if is_text else self._channels(positions),
            token_ids=[rows.token_ids[i] for i in positions] if is_text else [],
        )

    def _channels(self, positions: Sequence[int]) -> list[int | None]:
        table = self.manifest.table
        if CHANNEL not in table:
            return [None] * len(positions)
        return [channel_of({CHANNEL: cell}) for cell in table[CHANNEL].iloc[list(positions)]]

    def encode(
        self,
        positions: Sequence[int],
        layers: Sequence[int],
        on_utterances: OnUtterances = lambda count: None,
    ) -> Encoded:
        """Run the encoder over the utterances at `positions` of the manifest, here and now.

        Args:
            positions: Usable utterances.
            layers: Numbers of the layers to keep.
            on_utterances: Called with the number of utterances done since the last call.
        """
        part, found = self.part(positions), Encoded()
        for places in cut_passes(self.encoder, part, self.recipe.batch_seconds):
            loaded = load_pass(self.encoder, part, places)
            found.reasons |= {positions[place]: why for place, why in loaded.reasons.items()}
            landing = launch_pass(self.encoder, loaded, layers)
            if landing is not None:
                rows = zip(loaded.places, landing.rows(), strict=True)
                found.activations |= {positions[place]: one for place, one in rows}
            on_utterances(len(places))
        return found

    def _provenance(self) -> dict[str, Any]:
        """Add to the encoder's what it takes for resampled and for long recordings, if any."""
        made_by, encoder = self.encoder.provenance(), self.encoder
        if encoder.kind == "text":
            return made_by
        if not self.manifest.table["sampling_rate_hz"].isin([0, SAMPLING_RATE_HZ]).all():
            made_by |= {"resampling": RESAMPLING}
        longest = int(self.num_samples[self.rows.lengths > 0].max())
        return made_by | encoder.provenance_of_long(longest)

    def _require_something(self) -> None:
        if self.rows.lengths.any():
            return
        index, faults = self.manifest.table.index, self.rows.reasons
        reasons = [f"{index[position]}: {why}" for position, why in faults.items()]
        raise InputError(
            f"{self.manifest.root}, {self.encoder.name}",
            expected="at least one usable utterance",
            got=f"none ({list_some(reasons, most=3) or 'the corpus is empty'})",
            remedy="Mend the recordings or transcripts; nothing was written.",
        )


def in_store_order(manifest: Manifest, address: str) -> Manifest:
    """Put the utterances that a store holds first, in its order; others follow as they are.

    A manifest that lacks some of them stays as it is: it is not that of the store.
    """
    backend = backend_at(address)
    if not is_store(backend):
        return manifest
    try:
        table, ids = manifest.table, open_store(address).ids
    except CorruptStoreError:  # written anew by the extraction itself, where it can be
        return manifest
    if not set(ids) <= set(table.index):
        return manifest
    return replace(manifest, table=table.loc[[*ids, *table.index[~table.index.isin(ids)]]])


def plan_rows(
    recipe: Recipe,
    lengths: NDArray[np.int64],
    provenance: dict[str, Any],
    settings: ExtractSettings,
) -> GroupPlan:
    """Plan the group that holds the rows of an encoder's layers."""
    encoder, packed = recipe.encoder, settings.compression
    spec = FeatureSpec(dim=encoder.dim, dtype=settings.dtype, compression=packed)
    specs = dict.fromkeys(recipe.layers, spec)
    if encoder.kind == "text":
        specs[TOKEN_IDS] = FeatureSpec(dim=None, dtype="int32", compression=packed)
    return GroupPlan(
        name=encoder.name,
        kind=encoder.kind,
        features=specs,
        lengths=lengths,
        provenance=provenance,
        shard_bytes=settings.shard_mb * 2**20,
    )


def plan_functionals(
    recipe: Recipe,
    lengths: NDArray[np.int64],
    provenance: dict[str, Any],
    settings: ExtractSettings,
) -> GroupPlan:
    """Plan the group that holds the functionals alone, as `pool` would write them."""
    encoder = recipe.encoder
    names = [*recipe.layers, *([WORD] if encoder.kind == "text" else [])]
    shard = min(max(len(lengths) // MIN_SHARDS, 32), UTTERANCES_PER_SHARD)
    return functionals_plan(
        encoder.name, dict.fromkeys(names, encoder.dim), lengths, provenance
    ).model_copy(update={"cut": (shard, shard)})


def _samples_at_16_khz(manifest: Manifest) -> NDArray[np.int64]:
    """Length of each recording as it is encoded; 0 for one that is broken."""
    headers = zip(manifest.table["num_samples"], manifest.table["sampling_rate_hz"], strict=True)
    lengths = [resampled_length(int(n), int(rate)) if rate else 0 for n, rate in headers]
    return np.array(lengths, dtype=np.int64)


def _absolute(source: str) -> str:
    folder = Path(source).expanduser().absolute()
    return str(folder) if folder.is_dir() else source


def _count_rows(encoder: SpeechEncoder | TextEncoder, manifest: Manifest) -> Rows:
    if encoder.kind == "text":
        return count_tokens(encoder, manifest)
    return count_frames(encoder, manifest)
