"""The engine of `tokser transcribe`: batch after batch of recordings, longest first."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.manifest import Manifest, channel_of
from tokser.corpora.parts import first_sample, part_of
from tokser.corpora.waveform import (
    SAMPLING_RATE_HZ,
    fingerprint,
    read_part,
    read_waveform,
    resampled_length,
)
from tokser.device import keep_to_one_thread
from tokser.errors import AudioError
from tokser.progress import progress_bar, say
from tokser.provenance import digest_of
from tokser.threads import num_threads
from tokser.transcription.finished import Finished
from tokser.transcription.load import Transcriber
from tokser.transcription.transcript import WINDOW_S, Transcript

__all__ = ["BATCH_SECONDS", "Transcribed", "transcribe_recordings"]

BATCH_SECONDS = 240.0
"""Audio of a batch, padding included, where nothing else is said."""
_MAX_THREADS = 4


class Transcribed(NamedTuple):
    """What was transcribed.

    Attributes:
        transcripts: By utterance.
        quarantined: Why an utterance has none, by id.
    """

    transcripts: dict[str, Transcript]
    quarantined: dict[str, str]


@dataclass(frozen=True)
class _Recording:
    """An utterance that is to be transcribed.

    Attributes:
        id: Its id.
        path: Its file.
        channel: The channel that it is; None: the mean of all.
        part: Where it begins and ends, in samples at 16 kHz; None: all of the file.
        num_samples: Its length at 16 kHz.
        language: Its language as Whisper calls it; None: it is detected.
    """

    id: str
    path: Path
    channel: int | None
    part: tuple[int, int] | None
    num_samples: int
    language: str | None

    @property
    def is_long(self) -> bool:
        return self.num_samples > WINDOW_S * SAMPLING_RATE_HZ

    def read(self) -> NDArray[np.float32]:
        if self.part is None:
            return read_waveform(self.path, self.channel)
        return read_part(self.path, *self.part, self.channel)


def transcribe_recordings(
    transcriber: Transcriber,
    manifest: Manifest,
    languages: Mapping[str, str | None],
    *,
    finished: Finished | None = None,
    batch_seconds: float | None = None,
) -> Transcribed:
    """Transcribe some utterances of a manifest.

    Args:
        transcriber: The model.
        manifest: The utterances; those that it lists as faults are quarantined.
        languages: The utterances that are to be transcribed, with Whisper's code of their language;
            None: it is detected.
        finished: Transcripts that are there already; each new batch is kept there.
        batch_seconds: Audio of a batch, in seconds, each recording padded to 30; None: 240.

    Raises:
        CheckpointError: The model is not whole.
        SettingsError: The model does not know a language.
    """
    kept = Finished(None) if finished is None else finished
    faults = {fault.id: fault.reason for fault in manifest.faults}
    quarantined = {name: faults[name] for name in languages if name in faults}
    rows = _recordings(manifest, languages, quarantined)
    keys = _keys(transcriber, rows, quarantined)
    found = {one.id: kept.get(keys[one.id]) for one in rows if one.id in keys}
    transcripts = {name: one for name, one in found.items() if one is not None}
    todo = [one for one in rows if one.id in keys and one.id not in transcripts]
    if transcripts and todo:
        say(f"{len(transcripts):,} of {len(found):,} transcripts were finished before")
    batches = _batches(todo, batch_seconds or BATCH_SECONDS)
    with progress_bar("transcribe", total=len(todo), unit="recordings") as bar:
        for batch, waveforms in _read_ahead(batches, quarantined):
            new = transcriber.model.transcribe(waveforms, [one.language for one in batch])
            made = {one.id: text for one, text in zip(batch, new, strict=True)}
            kept.put({keys[name]: text for name, text in made.items()})
            transcripts |= made
            bar.advance(len(batch))
    order = [name for name in languages if name in transcripts]
    return Transcribed({name: transcripts[name] for name in order}, quarantined)


def _recordings(
    manifest: Manifest, languages: Mapping[str, str | None], quarantined: dict[str, str]
) -> list[_Recording]:
    found = []
    for name in languages:
        if name in quarantined:
            continue
        row: dict[str, Any] = manifest.table.loc[name].to_dict()
        rate, part = int(row["sampling_rate_hz"]), part_of(row)
        num_samples = resampled_length(int(row["num_samples"]), rate)
        span = None
        if part is not None:
            first = first_sample(part, rate)
            span = (first, first + num_samples)
        found.append(
            _Recording(
                name,
                manifest.root / row["path"],
                channel_of(row),
                span,
                num_samples,
                languages[name],
            )
        )
    return found


def _keys(
    transcriber: Transcriber, rows: Sequence[_Recording], quarantined: dict[str, str]
) -> dict[str, str]:
    """Return what decides the transcript of each: its audio, its language, the model."""
    model = transcriber.identity()
    paths = list(dict.fromkeys(one.path for one in rows))

    def digest(path: Path) -> str | AudioError:
        try:
            return fingerprint(path).digest
        except AudioError as error:
            return error

    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        digests = dict(zip(paths, pool.map(digest, paths), strict=True))
    keys = {}
    for one in rows:
        audio = digests[one.path]
        if isinstance(audio, AudioError):
            quarantined[one.id] = audio.got
        else:
            content = [audio, one.channel, one.part, one.language, model]
            keys[one.id] = digest_of(content)
    return keys


def _batches(rows: Sequence[_Recording], batch_seconds: float) -> list[list[_Recording]]:
    """Group recordings of near-equal length, longest first; more than a window is a batch alone."""
    size = max(1, int(batch_seconds / WINDOW_S))
    ordered = sorted(rows, key=lambda one: (-one.num_samples, one.id))
    batches: list[list[_Recording]] = []
    for one in ordered:
        if not batches or len(batches[-1]) >= size or batches[-1][0].is_long:
            batches.append([])
        batches[-1].append(one)
    return batches


def _read_ahead(
    batches: Sequence[list[_Recording]], quarantined: dict[str, str]
) -> Iterator[tuple[list[_Recording], list[NDArray[np.float32]]]]:
    """Yield batches with their waveforms; the next one is read while one is transcribed."""
    num_readers = max(1, min(_MAX_THREADS, num_threads() - 1))
    pool = ThreadPoolExecutor(num_readers, "prefetch", initializer=keep_to_one_thread)
    try:
        ahead = _begin(pool, batches[0]) if batches else []
        for number, batch in enumerate(batches):
            pending = ahead
            ahead = _begin(pool, batches[number + 1]) if number + 1 < len(batches) else []
            good, waveforms = [], []
            for one, future in zip(batch, pending, strict=True):
                try:
                    waveforms.append(future.result())
                    good.append(one)
                except AudioError as error:
                    quarantined[one.id] = error.got
            if good:
                yield good, waveforms
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(
    pool: ThreadPoolExecutor, batch: Sequence[_Recording]
) -> list[Future[NDArray[np.float32]]]:
    return [pool.submit(one.read) for one in batch]
