"""Manifests: one table of utterances per corpus, the same bytes on every machine."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from tokser.corpora.cells import read_cells
from tokser.corpora.parts import fault_of_part, part_length, part_of
from tokser.corpora.waveform import probe
from tokser.errors import AudioError, ManifestError, MissingInputError, list_some
from tokser.progress import progress_bar, warn
from tokser.provenance import write_atomically
from tokser.threads import num_threads

__all__ = [
    "CHANNEL",
    "COLUMNS",
    "OWN_COLUMNS",
    "Fault",
    "Manifest",
    "channel_of",
    "is_channel",
    "probe_recordings",
    "read_manifest",
]

COLUMNS = (
    "id",
    "path",
    "num_samples",
    "sampling_rate_hz",
    "speaker",
    "sex",
    "session",
    "language",
    "transcript",
    "label",
)

OWN_COLUMNS: Mapping[str, Mapping[str, type]] = MappingProxyType(
    {
        "librispeech": {"split": str},
        "emodb": {"sentence": str, "recognition_percent": float, "naturalness_percent": float},
        "iemocap": {"valence": float, "arousal": float, "dominance": float},
    }
)
"""Further columns of each corpus, with the type of their cells."""

CHANNEL = "channel"
"""An optional column: the channel of its recording that an utterance is, from 0; empty: the mean
of all channels."""

_COUNTS = ("num_samples", "sampling_rate_hz")
_BATCH = 256
_MOST_CHANNELS = 1024
"""What libsndfile reads."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A recording that cannot be used.

    Args:
        id: Its utterance.
        path: Its file, relative to the corpus's root.
        reason: What is wrong with it.
    """

    id: str
    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Manifest:
    """The utterances of a corpus.

    Args:
        dataset: `librispeech`, `emodb` or `iemocap`.
        root: The corpus's folder, which paths are relative to.
        table: Index `id` (unique, sorted); `COLUMNS` but the id, then `OWN_COLUMNS`. Unknown text
            is "", an unknown number NaN; counts are int64.
        faults: Recordings that cannot be used; their counts are 0 in `table`.
    """

    dataset: str
    root: Path
    table: pd.DataFrame
    faults: tuple[Fault, ...]

    def csv_text(self) -> str:
        """Return the table as CSV (comma, line feed), the same on every machine."""
        return str(self.table.to_csv(lineterminator="\n", index_label="id"))

    @property
    def digest(self) -> str:
        """The sha256 (hex) of `csv_text`."""
        return hashlib.sha256(self.csv_text().encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write `csv_text` to `path`, all of it or nothing."""
        write_atomically(path, self.csv_text().encode())


def probe_recordings(dataset: str, root: Path, rows: Iterable[Mapping[str, Any]]) -> Manifest:
    """Read the header of every recording, and put the rows in order.

    Args:
        dataset: `librispeech`, `emodb` or `iemocap`.
        root: The corpus's folder.
        rows: One mapping per utterance: `COLUMNS` without the counts, and `OWN_COLUMNS`.

    Returns:
        The manifest; a recording that cannot be read is one of its faults.

    Raises:
        ManifestError: Utterances share an id.
    """
    ordered = sorted((dict(row) for row in rows), key=lambda row: str(row["id"]))
    copies = _duplicates(ordered)
    if copies:
        raise ManifestError(
            root,
            expected="unique ids",
            got=list_some(copies, most=20),
            remedy="Remove the duplicates.",
        )
    faults = []
    for row, header in zip(ordered, _headers(root, ordered), strict=True):
        if isinstance(header, AudioError):
            faults.append(Fault(row["id"], row["path"], header.got))
            header = (0, 0)
        row.update(zip(_COUNTS, header, strict=True))
    return Manifest(dataset, root, _table(ordered, dataset), tuple(faults))


def read_manifest(path: Path, *, dataset: str, root: Path) -> Manifest:
    """Read a manifest that was written before, or edited since.

    Columns beyond those of the corpus are kept as text.

    Args:
        path: The CSV file.
        dataset: `librispeech`, `emodb` or `iemocap`.
        root: The folder that paths are relative to.

    Returns:
        The manifest. Recordings without samples are its faults.

    Raises:
        MissingInputError: There is no such file.
        ManifestError: Columns are missing, cells are malformed, or utterances share an id. All
            such faults are named at once.
    """
    header, cells = _read_csv(path)
    wrong = _faults_of_header(header, dataset) or [
        fault for number, line in cells for fault in _faults_of_line(number, line, header, dataset)
    ]
    rows = [dict(zip(header, line, strict=False)) for _, line in cells]
    wrong += _duplicates(rows)
    if wrong:
        raise _malformed(path, list_some(wrong, most=20))
    rows.sort(key=lambda row: row["id"])
    faults = tuple(
        Fault(row["id"], row["path"], _why_unusable(root / row["path"], row))
        for row in rows
        if int(row["num_samples"]) == 0
    )
    return Manifest(dataset, root, _table(rows, dataset), faults)


def channel_of(row: Mapping[str, Any]) -> int | None:
    """Return the channel of its recording that an utterance is; None: the mean of all channels."""
    cell = str(row.get(CHANNEL, ""))
    return int(cell) if cell else None


def is_channel(cell: str) -> bool:
    """Tell whether a cell names a channel, or none."""
    return cell == "" or (_is_count(cell) and int(cell) < _MOST_CHANNELS)


def _why_unusable(path: Path, row: Mapping[str, Any]) -> str:
    """Return what is wrong with a recording that a manifest lists without samples."""
    try:
        header = probe(path, channel_of(row))
        if (part := part_of(row)) is not None:
            part_length(part, *header)
    except AudioError as error:
        return error.got
    return (
        "unusable when the manifest was made, usable now: write the manifest again with "
        "`tokser manifest`"
    )


def _headers(
    root: Path, rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, int] | AudioError]:
    """Yield length and rate of each utterance; a recording of several is opened once."""
    named = [(row["path"], channel_of(row)) for row in rows]
    recordings = list(dict.fromkeys(named))
    known = dict(zip(recordings, _probe_all(root, recordings), strict=True))
    for row, recording in zip(rows, named, strict=True):
        header = known[recording]
        part = part_of(row)
        if part is None or isinstance(header, AudioError):
            yield header
            continue
        try:
            yield part_length(part, *header), header[1]
        except AudioError as error:
            yield error


def _probe_all(
    root: Path, recordings: Sequence[tuple[str, int | None]]
) -> list[tuple[int, int] | AudioError]:
    starts = range(0, len(recordings), _BATCH)
    batches = [recordings[start : start + _BATCH] for start in starts]
    headers: list[tuple[int, int] | AudioError] = []
    with (
        progress_bar("Reading audio headers", total=len(recordings), unit="recordings") as task,
        ThreadPoolExecutor(num_threads() + 4) as pool,
    ):
        for batch in pool.map(partial(_probe_batch, root), batches):
            headers.extend(batch)
            task.advance(len(batch))
    return headers


def _probe_batch(
    root: Path, recordings: Sequence[tuple[str, int | None]]
) -> list[tuple[int, int] | AudioError]:
    headers: list[tuple[int, int] | AudioError] = []
    for path, channel in recordings:
        try:
            headers.append(probe(root / path, channel))
        except AudioError as error:
            headers.append(error)
    return headers


def _table(rows: Sequence[Mapping[str, Any]], dataset: str) -> pd.DataFrame:
    own = OWN_COLUMNS.get(dataset, {})
    extra = [name for name in (rows[0] if rows else ()) if name not in (*COLUMNS, *own)]
    table = pd.DataFrame(list(rows), columns=[*COLUMNS, *own, *extra])
    for column in table.columns:
        if column in _COUNTS:
            table[column] = table[column].astype("int64")
        elif own.get(column) is float:
            table[column] = [float("nan" if cell == "" else cell) for cell in table[column]]
        else:
            table[column] = table[column].astype(str)
    return table.set_index("id")


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and the other lines with their numbers."""
    if not path.is_file():
        raise MissingInputError(
            path,
            expected="a manifest (CSV)",
            got="a folder" if path.exists() else "no such file",
            remedy="Write it with `tokser manifest`.",
        )
    table = read_cells(path)
    if table.delimiter != "," or table.encoding != "utf-8":
        warn(
            f"{path}: saved by another program (delimiter {table.delimiter!r}, "
            f"{table.encoding}); check that ids and speakers kept their leading zeros"
        )
    return table.header, table.lines


def _faults_of_header(header: Sequence[str], dataset: str) -> list[str]:
    required = [*COLUMNS, *OWN_COLUMNS.get(dataset, {})]
    missing = [f"no column {column!r}" for column in required if column not in header]
    return missing + [
        f"column {name!r} twice" for name in dict.fromkeys(header) if header.count(name) > 1
    ]


def _faults_of_line(
    number: int, line: Sequence[str], header: Sequence[str], dataset: str
) -> list[str]:
    if len(line) != len(header):
        return [f"line {number}: {len(line)} cells under {len(header)} columns"]
    row = dict(zip(header, line, strict=True))
    own = OWN_COLUMNS.get(dataset, {})
    wrong = {
        column: cell
        for column, cell in row.items()
        if "\n" in cell or "\r" in cell or (own.get(column) is float and not _is_number(cell))
    }
    wrong |= {name: row[name] for name in _COUNTS if not _is_count(row[name])}
    wrong |= {name: "" for name in ("id", "path") if not row[name]}
    if not is_channel(row.get(CHANNEL, "")):
        wrong[CHANNEL] = row[CHANNEL]
    if fault := fault_of_part(row):
        return [f"line {number}: {fault}"]
    if row["path"].startswith("/"):
        wrong["path"] = row["path"]
    if not wrong and (int(row["num_samples"]) == 0) != (int(row["sampling_rate_hz"]) == 0):
        wrong = {name: row[name] for name in _COUNTS}
    return [f"line {number}: {column} = {cell!r}" for column, cell in wrong.items()]


def _is_count(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) < 19  # fits int64


def _is_number(cell: str) -> bool:
    try:
        return cell == "" or math.isfinite(float(cell))
    except ValueError:
        return False


def _duplicates(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Describe the ids that several rows share."""
    counts = Counter(row.get("id", "") for row in rows)
    paths: dict[str, list[str]] = {name: [] for name, n in counts.items() if name and n > 1}
    for row in rows if paths else ():
        if row.get("id") in paths:
            paths[row["id"]].append(row.get("path", ""))
    return [
        f"id {utterance} {len(found)} times ({', '.join(found)})"
        for utterance, found in paths.items()
    ]


def _malformed(path: Path, got: str) -> ManifestError:
    return ManifestError(
        path,
        expected="a manifest: unique ids, whole counts, paths relative to the corpus",
        got=got,
        remedy="Correct these lines, or write the manifest again with `tokser manifest`.",
    )
