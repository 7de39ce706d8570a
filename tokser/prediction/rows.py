"""What is predicted row by row: whole recordings, or windows of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.corpora.manifest import Fault, Manifest
from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.extraction.plan import first_samples_of, samples_at_16_khz
from tokser.prediction.windows import Windows
from tokser.provenance import digest_of

__all__ = ["PredictedRows"]


@dataclass(frozen=True, eq=False)
class PredictedRows:
    """The rows of a table of predictions, before they are predicted.

    Attributes:
        manifest: A row for each recording, or for each window, as encoders take utterances; the
            index is unique.
        table: Columns `id` (of the recording), `start_s` and `end_s`; index as the manifest's.
        num_samples: Length of each at 16 kHz; 0 where it is unknown; int64 [rows].
        first_samples: Where each window begins in its recording, at 16 kHz; None: recordings
            are taken whole.
    """

    manifest: Manifest
    table: pd.DataFrame
    num_samples: NDArray[np.int64]
    first_samples: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, recordings: Manifest, windows: Windows | None) -> Self:
        """Take recordings whole, or cut them; one that cannot be read is one row."""
        num_samples = samples_at_16_khz(recordings)
        table = recordings.table
        begins = first_samples_of(table, range(len(table))) or [None] * len(table)
        begin = np.array([one or 0 for one in begins], dtype=np.int64)  # of parts of recordings
        begin_s = begin / SAMPLING_RATE_HZ
        if windows is None:
            rates = table["sampling_rate_hz"].to_numpy(dtype=np.float64)
            with np.errstate(invalid="ignore"):
                durations = table["num_samples"].to_numpy(dtype=np.float64) / rates
            times = pd.DataFrame(
                {
                    "id": table.index,
                    "start_s": np.where(rates > 0, begin_s, np.nan),
                    "end_s": begin_s + durations,
                }
            )
            return cls(recordings, times.set_axis(table.index), num_samples)
        spans = [
            (position, span)
            for position, count in enumerate(num_samples.tolist())
            for span in windows.spans(count)
        ]
        positions = [position for position, _ in spans]
        times = pd.DataFrame(
            {
                "id": table.index[positions],
                "start_s": [begin_s[position] + span.start_s for position, span in spans],
                "end_s": [begin_s[position] + span.end_s for position, span in spans],
            }
        )
        names = [
            f"{name}, {one.start_s:.3f} to {one.end_s:.3f} s"
            if num_samples[position]
            else str(name)
            for name, (position, one) in zip(times["id"], spans, strict=True)
        ]
        lengths = np.array([one.after - one.first for _, one in spans], dtype=np.int64)
        cut = table.iloc[positions].assign(
            num_samples=lengths,
            sampling_rate_hz=np.where(lengths > 0, SAMPLING_RATE_HZ, 0),
        )
        cut.index = pd.Index(names, name="id")
        manifest = Manifest(recordings.dataset, recordings.root, cut, recordings.faults)
        first = np.array([begin[position] + one.first for position, one in spans], dtype=np.int64)
        return cls(manifest, times.set_axis(cut.index), lengths, first)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def faults(self) -> Sequence[Fault]:
        """Recordings that cannot be read."""
        return self.manifest.faults

    def chunks(self, most_s: float, most_rows: int) -> list[list[int]]:
        """Group rows, in their order, into chunks that are predicted one after the other.

        Args:
            most_s: Audio of a chunk, in seconds; a longer recording is a chunk alone.
            most_rows: Rows of a chunk.
        """
        chunks: list[list[int]] = []
        seconds = 0.0
        for position, samples in enumerate(self.num_samples.tolist()):
            own_s = samples / SAMPLING_RATE_HZ
            if not chunks or len(chunks[-1]) >= most_rows or seconds + own_s > most_s:
                chunks.append([])
                seconds = 0.0
            chunks[-1].append(position)
            seconds += own_s
        return chunks

    def digest(self, recordings: Manifest) -> str:
        """Return a digest of what is predicted: paths, sizes, times of change, transcripts."""

        def changed(path: str) -> int:
            try:
                return (recordings.root / path).stat().st_mtime_ns
            except OSError:
                return 0

        table = recordings.table
        content: list[Any] = [table.reset_index().to_csv(index=False)]
        content.append([changed(str(path)) for path in table["path"]])
        return digest_of(content)
