"""What is to be predicted: recordings by file, folder, list or manifest, each once."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.corpora.manifest import CHANNEL, COLUMNS, Manifest, channel_of, probe_recordings
from tokser.corpora.sound_file import opened
from tokser.corpora.tables.delimited import read_delimited
from tokser.corpora.tables.records import Naming, rows_of
from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.errors import AudioError, InputError, MissingInputError, SettingsError, list_some
from tokser.progress import say, warn
from tokser.store.address import backend_at, is_remote, is_store
from tokser.threads import num_threads

__all__ = ["AUDIO_ENDINGS", "Rows", "find_recordings", "only_store", "say_what_is_unusual"]

AUDIO_ENDINGS = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"),
    *(".au", ".snd", ".caf", ".sph", ".nist", ".w64", ".rf64", ".m4a", ".aac", ".wma", ".webm"),
)
"""Of the files that a folder is searched for. Those that cannot be decoded (.m4a and what follows)
are listed as well, so that they are quarantined and not overlooked."""
_TABLES = (".csv", ".tsv")
_STORES = (".zarr", ".h5", ".hdf5")
_STANDARD_INPUT = "-"
_HERE = "predictions"
_MEASURED = ("id", "path", "num_samples", "sampling_rate_hz")

Rows = list[dict[str, Any]]


def only_store(names: Sequence[str]) -> str | None:
    """Return the store that is to be predicted; None where recordings are.

    Raises:
        SettingsError: A store is named together with other inputs.
    """
    stores = [name for name in names if _is_store(name)]
    if stores and len(names) > 1:
        raise SettingsError(
            stores[0],
            expected="one store alone, or recordings",
            got=f"a store among {len(names)} inputs",
            remedy="Predict the store in a call of its own.",
        )
    return stores[0] if stores else None


def find_recordings(
    names: Sequence[str],
    *,
    root: Path | None = None,
    transcript: str | None = None,
    read_lines: Callable[[], Iterable[str]] = lambda: (),
) -> Manifest:
    """Find recordings, and read their headers.

    The id of a recording is the path that it was named by; in a manifest, the id that stands there.

    Args:
        names: Audio files, folders, manifests (.csv, .tsv), or `-` for a list of paths.
        root: Folder that the paths of manifests are relative to; None: that of each manifest.
        transcript: Of the only input.
        read_lines: Returns the list that `-` stands for.

    Returns:
        The recordings in the order in which they were named, paths absolute. Those that cannot be
        read are its faults.

    Raises:
        MissingInputError: A file or folder is not there.
        InputError: A folder has no audio, a manifest is malformed, or nothing was named.
    """
    rows: Rows = []
    for name in names:
        rows += _rows_of_name(name, root, read_lines)
    rows = _each_once(rows)
    if not rows:
        raise InputError(
            ", ".join(names) or "predict",
            expected="at least one recording",
            got="none",
            remedy="Name audio files, a folder, a manifest or a store.",
        )
    if transcript is not None:
        _add_transcript(rows, transcript)
    if any(row.get(CHANNEL) for row in rows):
        for row in rows:
            row.setdefault(CHANNEL, "")
    found = probe_recordings(_HERE, Path("/"), rows)
    table = found.table.loc[[row["id"] for row in rows]]
    return Manifest(_HERE, Path("/"), table, found.faults)


def say_what_is_unusual(recordings: Manifest) -> None:
    """Say which recordings are treated otherwise than as they are: channels, sampling rates."""
    table = recordings.table
    usable = table[table["num_samples"] > 0]
    rates = usable["sampling_rate_hz"]
    low = rates[rates < SAMPLING_RATE_HZ]
    if len(low):
        warn(
            f"{_count(len(low), len(table))} of less than {SAMPLING_RATE_HZ / 1000:g} kHz "
            f"({list_some([f'{rate:,} Hz' for rate in sorted(set(low))])}): resampled as at "
            "extraction, but encoders are trained on wide-band speech, so predictions may be worse "
            f"({list_some(list(low.index), most=3)})"
        )
    if len(high := rates[rates > SAMPLING_RATE_HZ]):
        say(f"{_count(len(high), len(table))} resampled to {SAMPLING_RATE_HZ / 1000:g} kHz")
    several = _with_channels(usable)
    if several:
        say(
            f"{_count(len(several), len(table))} with several channels: their mean is taken "
            f"({list_some(several, most=3)})"
        )


def _count(number: int, num_all: int) -> str:
    if num_all == 1:
        return "a recording"
    return f"{number:,} of {num_all:,} recordings"


def _with_channels(usable: pd.DataFrame) -> list[str]:
    """Name the recordings of which the mean of several channels is taken."""

    def has_several(path: str) -> bool:
        try:
            with opened(Path(path)) as recording:
                return recording.num_channels > 1
        except AudioError:
            return False  # quarantined when it is read

    cells = usable[CHANNEL] if CHANNEL in usable else [""] * len(usable)
    mixed = [
        (str(name), str(path))
        for name, path, cell in zip(usable.index, usable["path"], cells, strict=True)
        if channel_of({CHANNEL: cell}) is None
    ]
    with ThreadPoolExecutor(num_threads() + 4) as pool:
        found = pool.map(has_several, [path for _, path in mixed])
        return [name for (name, _), several in zip(mixed, found, strict=True) if several]


def _rows_of_name(name: str, root: Path | None, read_lines: Callable[[], Iterable[str]]) -> Rows:
    if name == _STANDARD_INPUT:
        return [_row(line.rstrip("\r\n")) for line in read_lines() if line.strip()]
    path = Path(name).expanduser()
    if path.is_dir():
        return _rows_of_folder(path)
    if not path.exists():
        raise MissingInputError(
            name,
            expected="an audio file, a folder, a manifest (.csv) or a store",
            got="no such file or folder",
            remedy="Correct the path.",
        )
    if path.suffix.lower() in _TABLES:
        return _rows_of_manifest(path, root)
    return [_row(name)]


def _rows_of_folder(folder: Path) -> Rows:
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in AUDIO_ENDINGS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    if not found:
        raise InputError(
            folder,
            expected=f"audio files in this folder or below ({', '.join(AUDIO_ENDINGS[:7])}...)",
            got="none",
            remedy="Correct the path, or name the files themselves.",
        )
    return [_row(str(path)) for path in found]


def _rows_of_manifest(path: Path, root: Path | None) -> Rows:
    records = list(read_delimited(path))
    cells = {cell for record in records for cell in record.cells.values()}
    absolute = any(Path(c).is_absolute() and c.lower().endswith(AUDIO_ENDINGS) for c in cells)
    base = Path("/") if absolute else (root or path.parent).absolute()
    rows = rows_of(records, table=path, root=base, naming=Naming(unlabelled=True))
    return [
        {name: cell for name, cell in row.items() if name in (*COLUMNS, CHANNEL)}
        | {"path": str(base / row["path"])}
        for row in rows
    ]


def _row(name: str) -> dict[str, Any]:
    texts = dict.fromkeys((column for column in COLUMNS if column not in _MEASURED), "")
    return {"id": name, "path": str(Path(name).expanduser().absolute()), **texts}


def _each_once(rows: Rows) -> Rows:
    """Leave out recordings that are named again; say which.

    Raises:
        InputError: Two recordings have the same id.
    """
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    again = []
    for row in rows:
        key = (str(Path(row["path"]).resolve()), str(row.get(CHANNEL, "")))
        if kept.setdefault(key, row) is not row:
            again.append(row["id"])
    ids = [row["id"] for row in kept.values()]
    copies = (
        sorted({name for name in ids if ids.count(name) > 1}) if len(set(ids)) < len(ids) else []
    )
    if copies:
        raise InputError(
            "inputs",
            expected="ids that differ",
            got=f"several recordings with the id {list_some(copies)}",
            remedy="Correct the manifests, or predict them in calls of their own.",
        )
    if again:
        warn(f"named twice, predicted once: {list_some(again)}")
    return list(kept.values())


def _add_transcript(rows: Rows, transcript: str) -> None:
    if len(rows) > 1:
        raise SettingsError(
            "--transcript",
            expected="one input",
            got=f"{len(rows)}",
            remedy="Name a manifest (CSV) with the columns path and transcript.",
        )
    rows[0]["transcript"] = transcript


def _is_store(name: str) -> bool:
    if is_remote(name) or name.endswith(_STORES):
        return True
    return name != _STANDARD_INPUT and Path(name).is_dir() and is_store(backend_at(name))
