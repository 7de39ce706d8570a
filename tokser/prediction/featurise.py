"""Functionals of new recordings and transcripts, computed as extraction and `pool` compute them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.errors import CheckpointError, InputError
from tokser.experiments.feature_expressions import Term
from tokser.experiments.models import Model
from tokser.extraction.count_rows import RowCounts
from tokser.extraction.feature_specs import WORD
from tokser.extraction.load_batches import Utterances
from tokser.extraction.plan import count_rows, utterances_at
from tokser.functionals.moments import MOMENTS, mean_std, pool_rows
from tokser.prediction.align_rows import LoadedAligner
from tokser.prediction.encode import encode_ahead
from tokser.prediction.load_encoders import LoadedEncoder, blocks_above, load_encoders
from tokser.prediction.rows import PredictedRows
from tokser.prediction.tuned_rows import LoadedTuned

__all__ = ["Featurised", "Featuriser"]

Vector = NDArray[np.float32]


@dataclass
class Featurised:
    """Functionals of some rows, by row.

    Attributes:
        vectors: Of each term by its name, then by row: functionals in the order of the term.
        moments: Of each term's feature, likewise: mean and standard deviation.
        quarantined: Why a row has none.
    """

    vectors: dict[str, dict[str, Vector]]
    moments: dict[str, dict[str, Vector]]
    quarantined: dict[str, str] = field(default_factory=dict)
    frames: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    """Frames by feature, then by row: of what a head over frames reads."""

    def frames_of(self, feature: str, row: str) -> NDArray[Any]:
        """Return the frames of a feature and a row."""
        return self.frames[feature][row]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the functionals of each term, [rows, width], of the rows that have all."""
        return {name: as_table(found, self._whole) for name, found in self.vectors.items()}

    @property
    def _whole(self) -> list[str]:
        first = next(iter(self.vectors.values()))
        return [row for row in first if row not in self.quarantined]


def as_table(vectors: Mapping[str, Vector], rows: Sequence[str]) -> pd.DataFrame:
    """Put vectors under each other, float32 [rows, width]; index = id."""
    index = pd.Index(list(rows), name="id")
    if not rows:
        return pd.DataFrame(np.zeros((0, 0), dtype=np.float32), index=index)
    return pd.DataFrame(np.stack([vectors[row] for row in rows]), index=index)


class _Planned(NamedTuple):
    """An encoder with what it will encode."""

    loaded: LoadedEncoder
    counts: RowCounts


class Featuriser:
    """The encoders, tuned blocks and aligners of a model, ready for rows.

    Args:
        model: The model.
        encoders: Its encoders.
        aligners: Its aligners.
        tuned: Its tuned blocks.
    """

    def __init__(
        self,
        model: Model,
        encoders: Sequence[LoadedEncoder],
        aligners: Sequence[LoadedAligner],
        tuned: Sequence[LoadedTuned] = (),
    ) -> None:
        self._model, self._encoders, self._aligners = model, encoders, aligners
        self._tuned = tuned
        self._terms: dict[str, list[Term]] = {}
        for term in model.terms:
            self._terms.setdefault(term.feature, []).append(term)
        self._read_as_frames = {
            term.feature
            for member in model.members
            if member.fitted.head.reads_frames
            for term in member.terms
        }
        self._has_blocks = {one.source.rpartition("/")[0] for one in tuned}
        self._has_blocks |= {
            one.description.speech[0].rpartition("/")[0]
            for one in aligners
            if one.description.tune_speech
        }
        self._read_again = {name for one in aligners for name in one.reads}
        there = {
            f"{group.name}/{name}"
            for group in (one.recipe for own in (encoders, tuned) for one in own)
            for name in group.features
        }
        lacking = sorted(self._read_again - there)
        self._read_again |= {one.source for one in tuned}
        if lacking:
            raise CheckpointError(
                "model",
                expected=f"a recipe of {', '.join(lacking)}, which its aligner reads",
                got=", ".join(sorted(there)) or "none",
                remedy="Fit the model again, on a store that has the aligner's features.",
            )

    @classmethod
    def load(
        cls,
        model: Model,
        *,
        encoders: Sequence[str] = (),
        device: str = "auto",
        batch_seconds: float | None = None,
    ) -> "Featuriser":
        """Load what a model needs; see `load_encoders` for the arguments and errors."""
        recipe = model.recipe
        loaded = load_encoders(recipe, sources=encoders, device=device, batch_seconds=batch_seconds)
        aligners = [
            LoadedAligner.load(
                group, recipe.aligners[group.name], device, partial(blocks_above, loaded)
            )
            for group in recipe.groups
            if group.kind == "aligned"
        ]
        tuned = []
        for name, folder in recipe.tuned.items():
            group = recipe.group(name)
            blocks = blocks_above(loaded, str(group.provenance["source_feature"]))
            tuned.append(LoadedTuned.load(group, folder, blocks, device))
        return cls(model, loaded, aligners, tuned)

    def plan(self, rows: PredictedRows) -> Callable[[Sequence[int]], Featurised]:
        """Count the frames and tokens of all rows; returns what computes some of them.

        Raises:
            InputError: A text encoder has no transcript at all.
        """
        planned = []
        for loaded in self._encoders:
            if loaded.recipe.kind == "text":
                _require_transcripts(rows, loaded.recipe.name)
            counts = count_rows(loaded.extractor.encoder, rows.manifest)
            planned.append(_Planned(loaded, counts))
        return lambda positions: self._featurise(rows, planned, positions)

    def _featurise(
        self, rows: PredictedRows, planned: Sequence[_Planned], positions: Sequence[int]
    ) -> Featurised:
        names = [str(term) for term in self._model.terms]
        found = Featurised({name: {} for name in names}, {name: {} for name in names})
        kept: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in self._read_again}
        for one in planned:
            utterances = utterances_at(rows.manifest, one.counts, rows.num_samples, positions)
            if rows.first_samples is not None and one.loaded.recipe.kind == "speech":
                first = rows.first_samples[list(positions)].tolist()
                utterances = replace(utterances, first_samples=first)
            group = one.loaded.recipe.name
            if group in self._has_blocks:
                utterances = _without_overlapping(one.loaded, utterances)
            for row, reason in _quarantined_at_once(utterances).items():
                found.quarantined.setdefault(row, f"{group}: {reason}")
            for place, feature, values in _rows_of(one.loaded, utterances, found, group):
                self._take(f"{group}/{feature}", utterances.ids[place], values, found, kept)
        for blocks in self._tuned:
            above = blocks.layers(kept[blocks.source])
            for row, reason in above.quarantined.items():
                found.quarantined.setdefault(row, reason)
            for feature, rows_of_all in above.rows.items():
                for row, values in rows_of_all.items():
                    self._take(f"{blocks.recipe.name}/{feature}", row, values, found, kept)
        for aligner in self._aligners:
            aligned = aligner.align({name: kept[name] for name in aligner.reads})
            for row, values in aligned.items():
                for feature in aligner.recipe.features:
                    self._take(f"{aligner.recipe.name}/{feature}", row, values, found, kept)
        for row in rows.manifest.table.index[list(positions)]:
            if row not in found.quarantined and any(row not in v for v in found.vectors.values()):
                found.quarantined[row] = "no token besides [CLS] and [SEP]"
        return found

    def _take(
        self,
        feature: str,
        row: str,
        values: NDArray[Any],
        found: Featurised,
        kept: dict[str, dict[str, NDArray[Any]]],
    ) -> None:
        """Pool the rows of a feature for each of its terms; keep them if they are read again."""
        if feature in kept:
            kept[feature][row] = values
        if feature in self._read_as_frames:
            found.frames.setdefault(feature, {})[row] = values
        terms = self._terms.get(feature, ())
        if not terms:
            return
        if self._model.recipe.is_utterance_level(feature):
            vector = values[0].astype(np.float32)
            for term in terms:
                found.vectors[str(term)][row] = vector
                found.moments[str(term)][row] = np.concatenate([vector, np.zeros_like(vector)])
            return
        moments = mean_std(values)
        for term in terms:
            found.vectors[str(term)][row] = _pooled(values, term.functionals, moments)
            found.moments[str(term)][row] = moments


def _pooled(values: NDArray[Any], functionals: Sequence[str], moments: Vector) -> Vector:
    """Return functionals side by side, as `read_functionals` reads them."""
    if tuple(functionals) == MOMENTS:
        return moments
    dim = len(moments) // len(MOMENTS)
    parts = []
    for name in functionals:
        if name in MOMENTS:
            first = MOMENTS.index(name) * dim
            parts.append(moments[first : first + dim])
        else:
            parts.append(pool_rows(values, name))
    return np.concatenate(parts)


def _rows_of(
    loaded: LoadedEncoder, utterances: Utterances, found: Featurised, group: str
) -> Iterator[tuple[int, str, NDArray[Any]]]:
    """Yield place, feature and rows [rows, dim], in the stored dtype."""
    extractor, numbers = loaded.extractor, sorted(set(loaded.layers.values()))
    if numbers:
        for batch in encode_ahead(extractor, utterances, numbers):
            for place, reason in batch.quarantined.items():
                found.quarantined.setdefault(utterances.ids[place], f"{group}: {reason}")
            for place, rows in batch.rows.items():
                for feature, number in loaded.layers.items():
                    yield place, feature, rows[number]
    if WORD in loaded.recipe.features:
        for place in utterances.usable:
            yield place, WORD, extractor.word_rows(utterances.token_ids[place])


def _quarantined_at_once(utterances: Utterances) -> dict[str, str]:
    """Return what is known to be unusable before anything is encoded, by row."""
    return {utterances.ids[place]: why for place, why in utterances.quarantined.items()}


def _without_overlapping(loaded: LoadedEncoder, utterances: Utterances) -> Utterances:
    """Quarantine recordings that are encoded in overlapping windows, which blocks cannot go on."""
    encoder: Any = loaded.extractor.encoder
    if loaded.recipe.kind != "speech":
        return utterances
    long = {
        place: "a recording above a minute, encoded in windows that overlap: trained blocks cannot "
        "read it; cut it, or give --window"
        for place in utterances.usable
        if "window_overlap_s" in encoder.provenance_of_long(utterances.num_samples[place])
    }
    return replace(utterances, quarantined={**utterances.quarantined, **long})


def _require_transcripts(rows: PredictedRows, encoder: str) -> None:
    """Raise unless some row has a transcript, and rows are no windows."""
    if rows.first_samples is not None:
        raise InputError(
            "--window",
            expected=f"a model of speech alone: {encoder} reads transcripts",
            got="windows, which have no transcripts of their own",
            remedy="Predict whole recordings, or cut them before and list them in a manifest.",
        )
    texts = rows.manifest.table["transcript"]
    if not texts.str.strip().ne("").any():
        raise InputError(
            "transcripts",
            expected=f"what is said in each recording: the model reads it ({encoder})",
            got="none",
            remedy="Give --transcript for one recording, or name a manifest (CSV) with the "
            "columns path and transcript.",
        )
