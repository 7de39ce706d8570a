"""Similarity of every two features of a store, over utterances and over frames."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tokser.errors import InputError, list_some
from tokser.experiments.similarity.cka import SMALLEST_BATCH, Batch, Similarity, cka_of
from tokser.experiments.similarity.stitching import stitching_r2
from tokser.experiments.similarity.table import SIMILARITY
from tokser.intervals import MIN_UNITS
from tokser.store import Store

__all__ = ["FRAMES", "UTTERANCES", "similarity_table"]

FRAMES, UTTERANCES = "frames", "utterances"
MOST_OF_STITCHING = 8_192
"""Samples that ridge regression reads of a corpus, spread evenly: memory stays bounded."""

MOST_UNITS = 50
"""Speakers that intervals leave out one after the other; of more, several at once."""

Samples = list[Float[Tensor, "samples _"]]


def similarity_table(
    store: Store,
    features: Sequence[str],
    *,
    frames_per_utterance: int = 8,
    batch_size: int = 512,
    seed: int = 0,
) -> pd.DataFrame:
    """Return a row for each pair of features and each of `utterances` and `frames`.

    Over utterances the samples are means over rows, as they were pooled. Over frames they are rows
    of each utterance, drawn evenly; features of other frames (text, another frame shift) have none
    in common, and no row.

    Args:
        store: With the functionals of the features.
        features: At least two.
        frames_per_utterance: Rows of each utterance, fewer where it has fewer.
        batch_size: Samples in a minibatch of HSIC.
        seed: Decides which utterances share a minibatch, and the speakers that are held out.

    Raises:
        InputError: Too few utterances have all features.
        StoreIncompleteError: A feature has not been pooled.
    """
    tables = [_means(store, name) for name in features]
    ids = [name for name in store.ids if all(name in table.index for table in tables)]
    if len(ids) < 2 * SMALLEST_BATCH:
        raise InputError(
            store.path,
            expected=f"at least {2 * SMALLEST_BATCH} utterances with {list_some(features)}",
            got=str(len(ids)),
            remedy="Name fewer features, or extract what is missing.",
        )
    order = np.random.default_rng(seed).permutation(ids).tolist()
    speakers = store.utterances.loc[order, "speaker"]
    parts, units = _parts(speakers, seed), _units(speakers, seed)
    means = [torch.tensor(t.loc[order].to_numpy(np.float32)) for t in tables]
    batches = (
        Batch([own[first:last] for own in means], units[first:last])
        for first, last in _spans(len(order), batch_size)
    )
    rows = _rows(UTTERANCES, features, cka_of(batches), stitching_r2(means, parts), len(order))
    for group in _same_frames(store, features, order):
        found = _over_frames(store, group, order, parts, units, frames_per_utterance, batch_size)
        rows += _rows(FRAMES, group, *found)
    return SIMILARITY.frame(rows)


def _means(store: Store, feature: str) -> pd.DataFrame:
    table = store.functionals(feature)
    return table if store.is_utterance_level(feature) else table.iloc[:, : table.shape[1] // 2]


def _over_frames(
    store: Store,
    features: Sequence[str],
    ids: Sequence[str],
    parts: Int64[np.ndarray, " ids"],
    units: Int64[np.ndarray, " ids"],
    per_utterance: int,
    batch_size: int,
) -> tuple[Similarity, np.ndarray, int]:
    """Return CKA, R^2 and the number of samples."""
    kept: list[Samples] = []
    owners: list[np.ndarray] = []
    every = max(1, -(-len(ids) * per_utterance // MOST_OF_STITCHING))
    size = max(SMALLEST_BATCH, batch_size // per_utterance)
    num = 0

    def batches() -> Iterator[Batch]:
        nonlocal num
        for first, last in _spans(len(ids), size):
            samples, counts = _sampled(store, features, ids[first:last], per_utterance)
            num += len(samples[0])
            kept.append([own[::every] for own in samples])
            owners.append(np.repeat(parts[first:last], counts)[::every])
            yield Batch(samples, np.repeat(units[first:last], counts))

    cka = cka_of(batches())
    all_kept = [torch.cat(own) for own in zip(*kept, strict=True)]
    return cka, stitching_r2(all_kept, np.concatenate(owners)), num


def _sampled(
    store: Store, features: Sequence[str], ids: Sequence[str], per_utterance: int
) -> tuple[Samples, list[int]]:
    """Return rows of utterances, drawn evenly, for each feature, and how many of each."""
    samples: Samples = []
    counts: list[int] = []
    for name in features:
        batch = store[name].ragged(ids)
        lengths = [int(length) for length in batch.lengths]
        counts = [min(per_utterance, length) for length in lengths]
        begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        places = np.concatenate(
            [
                begin + (np.arange(count) * length) // count
                for begin, count, length in zip(begins, counts, lengths, strict=True)
                if count
            ]
        )
        samples.append(torch.from_numpy(np.asarray(batch.rows[places], dtype=np.float32)))
    return samples, counts


def _same_frames(
    store: Store, features: Sequence[str], ids: Sequence[str]
) -> list[tuple[str, ...]]:
    """Put features together whose utterances have the same numbers of rows; pairs at least."""
    groups: dict[bytes, list[str]] = {}
    for name in features:
        if name in store and name not in store.uncommitted:
            lengths = store[name].lengths.reindex(list(ids))
            if lengths.notna().all():
                groups.setdefault(lengths.to_numpy(np.int64).tobytes(), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _spans(num: int, size: int) -> list[tuple[int, int]]:
    """Cut into batches of a size, none of which is too small for the estimate."""
    firsts = list(range(0, num, size))
    if len(firsts) > 1 and num - firsts[-1] < max(SMALLEST_BATCH, size // 2):
        firsts.pop()
    return list(zip(firsts, [*firsts[1:], num], strict=True))


def _parts(speakers: "pd.Series[str]", seed: int) -> Int64[np.ndarray, " ids"]:
    """Assign whole speakers, half to training, a sixth to selection, a third to scoring.

    Where there are fewer than three speakers, utterances are assigned instead.
    """
    units = speakers.tolist() if speakers.nunique() > 2 else speakers.index.tolist()
    names = sorted(set(units))
    shuffled = np.random.default_rng([seed, 1]).permutation(names).tolist()
    kinds = np.array([0, 2, 0, 1, 2, 0], dtype=np.int64)
    known = {name: kinds[place % len(kinds)] for place, name in enumerate(shuffled)}
    if len(names) == 3:
        known = dict(zip(shuffled, (0, 1, 2), strict=True))
    return np.array([known[unit] for unit in units], dtype=np.int64)


def _units(speakers: "pd.Series[str]", seed: int) -> Int64[np.ndarray, " ids"]:
    """Number what intervals leave out: speakers, or utterances where speakers are unknown or few.

    Where there are many, several are put together at random.
    """
    is_told = speakers.ne("").all() and speakers.nunique() >= MIN_UNITS
    names = speakers.to_numpy() if is_told else speakers.index.to_numpy()
    known, numbers = np.unique(names, return_inverse=True)
    dealt = np.random.default_rng([seed, 2]).permutation(len(known)) % MOST_UNITS
    return np.asarray(dealt[numbers], dtype=np.int64)


def _rows(
    over: str, features: Sequence[str], found: Similarity, r2: np.ndarray, num: int
) -> list[dict[str, object]]:
    return [
        {
            "over": over,
            "first": one,
            "second": other,
            "cka": found.cka[a, b],
            "cka_low": found.low[a, b],
            "cka_high": found.high[a, b],
            "r2": r2[a, b],
            "num_samples": num,
        }
        for a, one in enumerate(features)
        for b, other in enumerate(features)
    ]
