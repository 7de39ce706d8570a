"""One encoder over one corpus: what it will write, and how it computes that."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tokser.config import ExtractSettings
from tokser.corpora.manifest import Manifest
from tokser.corpora.registry import load_corpus
from tokser.device import resolve_device
from tokser.encoders import SpeechEncoder, TextEncoder, load_encoder
from tokser.encoders.base import choose_layers, layer_name
from tokser.encoders.passes import Encoded, encode_speech, encode_text
from tokser.encoders.rows import Rows, count_frames, count_tokens
from tokser.errors import InputError, list_some
from tokser.store import FeatureSpec, GroupPlan

__all__ = ["TOKEN_IDS", "Work", "plan_works"]

TOKEN_IDS = "token_ids"

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


class Work:
    """One encoder over one corpus.

    Attributes:
        encoder: The frozen model.
        manifest: The corpus.
        rows: Rows of every utterance, and why some have none.
        layers: Number of each layer that is kept, by its feature's name.
        plan: The group that the store will hold.
    """

    def __init__(
        self, encoder: SpeechEncoder | TextEncoder, manifest: Manifest, settings: ExtractSettings
    ) -> None:
        self.encoder, self.manifest, self.settings = encoder, manifest, settings
        self.rows = _count_rows(encoder, manifest)
        self._require_something()
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

    def encode(
        self,
        positions: Sequence[int],
        layers: Sequence[int],
        on_utterances: OnUtterances = lambda count: None,
    ) -> Encoded:
        """Run the encoder over the utterances at `positions` of the manifest.

        Args:
            positions: Usable utterances.
            layers: Numbers of the layers to keep.
            on_utterances: Called with the number of utterances done since the last call.
        """
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


def _absolute(source: str) -> str:
    folder = Path(source).expanduser().absolute()
    return str(folder) if folder.is_dir() else source


def _count_rows(encoder: SpeechEncoder | TextEncoder, manifest: Manifest) -> Rows:
    if encoder.kind == "text":
        return count_tokens(encoder, manifest)
    return count_frames(encoder, manifest)
