"""The extraction plan: what one encoder will write of one corpus, known before it runs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.config import ExtractSettings
from tokser.corpora.manifest import CHANNEL, Manifest, channel_of
from tokser.corpora.parts import END, START, first_sample, part_of
from tokser.corpora.registry import load_corpus
from tokser.corpora.waveform import RESAMPLING, SAMPLING_RATE_HZ, resampled_length
from tokser.device import resolve_device
from tokser.encoders import SpeechEncoder, TextEncoder
from tokser.encoders.base import StoredDtype
from tokser.encoders.layers import (
    full_provenance,
    is_utterance_level,
    layer_name,
    parse_layers,
    stored_dtype_of,
)
from tokser.errors import CorruptStoreError, InputError, SettingsError, list_some
from tokser.extraction.count_rows import RowCounts, count_frames, count_tokens
from tokser.extraction.encoder_spec import EncoderSpec
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import FeatureSpecs
from tokser.extraction.group_plan import plan_group
from tokser.extraction.load_batches import Utterances
from tokser.names import Name
from tokser.store import Compression, GroupPlan, open_store
from tokser.store.address import backend_at, is_store
from tokser.store.feature_name import rows_group

__all__ = [
    "ExtractionPlan",
    "count_rows",
    "first_samples_of",
    "plan_extraction",
    "samples_at_16_khz",
    "utterances_at",
]


_RATE = "sampling_rate_hz"


def plan_extraction(settings: ExtractSettings) -> tuple[Manifest, list["ExtractionPlan"]]:
    """Scan the corpus, load the encoders, and plan what each will write.

    Raises:
        InputError: The corpus or an encoder is not what it should be.
    """
    resolve_device(settings.device)  # refused before the scan, which may take minutes
    _require_one_named(settings)
    manifest = load_corpus(
        settings.dataset,
        settings.root,
        manifest=settings.manifest,
        splits=settings.splits,
        subset=settings.subset,
        corpus=settings.corpus,
    )
    manifest = in_store_order(manifest, settings.store)
    specs = [
        EncoderSpec(
            source,
            settings.revision,
            settings.device,
            settings.precision,
            settings.context,
            settings.batch_seconds,
        )
        for source in settings.encoders
    ]
    plans = [
        plan
        for spec in specs
        for plan in ExtractionPlan.make_all(
            spec,
            manifest,
            layers=settings.layers,
            dtype=settings.dtype,
            functionals_only=settings.functionals_only,
            compression=settings.compression,
            shard_mb=settings.shard_mb,
            name=settings.name or "",
        )
    ]
    return manifest, plans


def _require_one_named(settings: ExtractSettings) -> None:
    """Refuse a name that several encoders would share, or that a store cannot have."""
    if settings.name is None:
        return
    Name.of(settings.name, "--name")
    if len(settings.encoders) > 1:
        raise SettingsError(
            "--name",
            expected="one --encoder, whose features get this name",
            got=f"{len(settings.encoders)}: {list_some(settings.encoders)}",
            remedy="Extract them one after the other, each with its own --name.",
        )


@dataclass(frozen=True)
class ExtractionPlan:
    """What one encoder will write of one corpus.

    Attributes:
        encoder_spec: How the encoder is loaded, here and on other machines.
        extractor: The loaded encoder and its features.
        manifest: The corpus.
        rows: Rows of every utterance, and why some have none.
        num_samples: Length of each recording at 16 kHz; 0 for a broken one; int64 [utterances].
        provenance: What determines the rows.
        group: The group of the store that will hold them.
    """

    encoder_spec: EncoderSpec
    extractor: Extractor
    manifest: Manifest
    rows: RowCounts
    num_samples: NDArray[np.int64]
    provenance: dict[str, Any]
    group: GroupPlan

    @classmethod
    def make(
        cls,
        encoder_spec: EncoderSpec,
        manifest: Manifest,
        *,
        layers: str = "all",
        dtype: StoredDtype = "float16",
        functionals_only: bool = False,
        compression: Compression = "none",
        shard_mb: int = 256,
    ) -> Self:
        """Load an encoder, count its rows, and plan the group of its rows; see `make_all`."""
        plans = cls.make_all(
            encoder_spec,
            manifest,
            layers=layers,
            dtype=dtype,
            functionals_only=functionals_only,
            compression=compression,
            shard_mb=shard_mb,
        )
        return plans[0]

    @classmethod
    def make_all(
        cls,
        encoder_spec: EncoderSpec,
        manifest: Manifest,
        *,
        layers: str = "all",
        dtype: StoredDtype = "float16",
        functionals_only: bool = False,
        compression: Compression = "none",
        shard_mb: int = 256,
        name: str = "",
    ) -> list[Self]:
        """Load an encoder, count its rows, and plan its groups: of rows, and of whole utterances.

        Args:
            encoder_spec: The encoder.
            manifest: The corpus.
            layers: Which layers, see `parse_layers`.
            dtype: Type of the stored rows, unless the encoder has one of its own.
            functionals_only: Whether mean and standard deviation are stored instead of rows.
            compression: Of the rows.
            shard_mb: Budget of one shard over all its arrays, in MiB.
            name: Of the group; empty: the encoder's.

        Returns:
            A plan of the features with a row a frame or token, if any; then one of those with a
            row for each utterance, if any.

        Raises:
            InputError: The encoder is not what it should be, lacks a layer, or cannot use a
                single utterance of the corpus.
        """
        encoder = encoder_spec.load()
        numbers = parse_layers(encoder, layers)
        rows = count_rows(encoder, manifest)
        _require_usable(encoder, manifest, rows)
        by_kind: dict[bool, dict[str, int]] = {}
        for number in numbers:
            kind = is_utterance_level(encoder, number)
            by_kind.setdefault(kind, {})[layer_name(encoder, number)] = number
        return [
            cls._of(
                encoder_spec,
                encoder,
                manifest,
                rows,
                FeatureSpecs(
                    by_kind[kind], stored_dtype_of(encoder, dtype), functionals_only, kind
                ),
                name=name,
                compression=compression,
                shard_mb=shard_mb,
            )
            for kind in sorted(by_kind)
        ]

    @classmethod
    def _of(
        cls,
        encoder_spec: EncoderSpec,
        encoder: SpeechEncoder | TextEncoder,
        manifest: Manifest,
        rows: RowCounts,
        specs: FeatureSpecs,
        *,
        name: str,
        compression: Compression,
        shard_mb: int,
    ) -> Self:
        num_samples = samples_at_16_khz(manifest)
        provenance = _provenance(encoder, manifest, num_samples[rows.lengths > 0])
        absolute = encoder_spec.with_absolute_source()
        group = plan_group(
            encoder,
            specs,
            rows.lengths,
            provenance,
            name=name,
            source=absolute.source,
            compression=compression,
            shard_mb=shard_mb,
        )
        extractor = Extractor(encoder, specs, encoder_spec.batch_seconds_here())
        return cls(absolute, extractor, manifest, rows, num_samples, provenance, group)

    @property
    def encoder(self) -> SpeechEncoder | TextEncoder:
        """The frozen model."""
        return self.extractor.encoder

    @property
    def features(self) -> list[str]:
        """Names of its layers' features in the store."""
        group = rows_group(self.group.name)
        return [f"{group}/{name}" for name in self.extractor.specs.layers]

    def utterances(self, positions: Sequence[int]) -> Utterances:
        """Return the utterances at some positions of the manifest."""
        return utterances_at(self.manifest, self.rows, self.num_samples, positions)


def utterances_at(
    manifest: Manifest, rows: RowCounts, num_samples: NDArray[np.int64], positions: Sequence[int]
) -> Utterances:
    """Return the utterances at some positions of a manifest, as an encoder takes them.

    Args:
        manifest: The recordings and transcripts.
        rows: Their rows in that encoder; with token ids, if it is one of text.
        num_samples: Length of each recording at 16 kHz, [utterances].
        positions: Places in the manifest.
    """
    table, is_text = manifest.table, bool(rows.token_ids)
    positions = list(positions)
    paths = [] if is_text else table["path"].iloc[positions]
    root = str(manifest.root.absolute())
    return Utterances(
        ids=[str(name) for name in table.index[positions]],
        num_samples=num_samples[positions].tolist(),
        quarantined={
            place: rows.quarantined[position]
            for place, position in enumerate(positions)
            if position in rows.quarantined
        },
        paths=[os.path.join(root, path) for path in paths],  # noqa: PTH118  a million of them
        channels=[] if is_text else _channels(table, positions),
        first_samples=[] if is_text else first_samples_of(table, positions),
        token_ids=[rows.token_ids[i] for i in positions] if is_text else [],
    )


def _channels(table: pd.DataFrame, positions: list[int]) -> list[int | None]:
    if CHANNEL not in table:
        return [None] * len(positions)
    return [channel_of({CHANNEL: cell}) for cell in table[CHANNEL].iloc[positions]]


def first_samples_of(table: pd.DataFrame, positions: Sequence[int]) -> list[int | None]:
    """Return where each begins in its recording, at 16 kHz; none if all are whole recordings."""
    if START not in table or END not in table:
        return []
    rows = zip(*(table[name].iloc[list(positions)] for name in (START, END, _RATE)), strict=True)
    found: list[int | None] = []
    for start, end, rate in rows:
        part = part_of({START: start, END: end})
        found.append(None if part is None or not rate else first_sample(part, int(rate)))
    return found


def in_store_order(manifest: Manifest, address: str) -> Manifest:
    """Put the utterances that a store holds first, in its order; the others follow.

    A manifest that lacks some of them is returned unchanged: it is not that of the store.
    """
    backend = backend_at(address)
    if not is_store(backend):
        return manifest
    try:
        table, ids = manifest.table, open_store(address).ids
    except CorruptStoreError:  # the writer repairs it where it can
        return manifest
    if not set(ids) <= set(table.index):
        return manifest
    return replace(manifest, table=table.loc[[*ids, *table.index[~table.index.isin(ids)]]])


def count_rows(encoder: SpeechEncoder | TextEncoder, manifest: Manifest) -> RowCounts:
    """Count the rows of each utterance: frames, or tokens."""
    if encoder.kind == "text":
        return count_tokens(encoder, manifest)
    return count_frames(encoder, manifest)


def _require_usable(
    encoder: SpeechEncoder | TextEncoder, manifest: Manifest, rows: RowCounts
) -> None:
    """Raise `InputError` unless some utterance can be encoded."""
    if rows.lengths.any():
        return
    index = manifest.table.index
    reasons = [f"{index[position]}: {why}" for position, why in rows.quarantined.items()]
    raise InputError(
        f"{manifest.root}, {encoder.name}",
        expected="at least one usable utterance",
        got=f"none ({list_some(reasons, most=3) or 'the corpus is empty'})",
        remedy="Correct the recordings or transcripts; nothing was written.",
    )


def samples_at_16_khz(manifest: Manifest) -> NDArray[np.int64]:
    """Length of each recording as it is encoded; 0 for a broken one."""
    headers = zip(manifest.table["num_samples"], manifest.table["sampling_rate_hz"], strict=True)
    lengths = [resampled_length(int(n), int(rate)) if rate else 0 for n, rate in headers]
    return np.array(lengths, dtype=np.int64)


def _provenance(
    encoder: SpeechEncoder | TextEncoder, manifest: Manifest, num_samples: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the encoder's provenance, with how it treats resampled and long recordings, if any.

    Args:
        encoder: The encoder.
        manifest: The corpus.
        num_samples: Length of each usable recording at 16 kHz.
    """
    provenance = full_provenance(encoder)
    if encoder.kind == "text":
        return provenance
    if not manifest.table["sampling_rate_hz"].isin([0, SAMPLING_RATE_HZ]).all():
        provenance |= {"resampling": RESAMPLING}
    return provenance | encoder.provenance_of_long(int(num_samples.max()))
