"""Predictions in a file: finished chunks beside it, then all of it at once.

Beside `predictions.csv` lie `predictions.csv.provenance.json`, which says what made it, and, if
recordings could not be predicted, `predictions.quarantined.csv` with the reasons. While it is being
made, finished chunks lie in the folder `predictions.csv.parts`, with a digest for each: the same
call goes on there.

What must never happen: a file that another call made is replaced, or one that is not whole has the
file's name.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.checksummed_folder import ChecksummedFolder
from tokser.durable import sha256_of_file, write_atomically
from tokser.errors import InputError, SettingsError
from tokser.experiments.models.calibration import PREDICTION_SET
from tokser.provenance import Stamp, digest_of, flattened, versions

__all__ = ["FORMATS", "REASON", "Output", "encode_table", "require_format"]

_MOST_DIFFERENCES = 4
REASON = "reason"
"""Column of a part: why a recording has no prediction; empty where it has one."""


class Output:
    """The file that predictions are written to.

    Args:
        out: The file; its ending decides the format.
        stamp: What makes it.
    """

    def __init__(self, out: Path, stamp: Stamp) -> None:
        self.out, self._stamp = out, stamp
        self._parts = ChecksummedFolder(out.with_name(f"{out.name}.parts"))

    @property
    def quarantined(self) -> Path:
        """Where the reasons stand of recordings without a prediction."""
        return self.out.with_name(f"{self.out.stem}.quarantined.csv")

    @property
    def is_done(self) -> bool:
        """Whether this very call wrote the file, and it is as it was written.

        Raises:
            SettingsError: The file was written by something else, or changed since.
        """
        if not self.out.exists():
            return False
        found = _read(self._provenance)
        got = ""
        if self.out.is_dir() or not found:
            got = "a folder" if self.out.is_dir() else f"a file without {self._provenance.name}"
        elif found.get("digest") != self._stamp.digest:
            got = f"predictions made otherwise ({_differences(found, self._stamp.content)})"
        elif found.get("sha256") != sha256_of_file(self.out):
            got = "a file that was changed since it was written"
        if got:
            raise SettingsError(
                f"--out {self.out}",
                expected="no file yet, or one that this very call wrote",
                got=got,
                remedy="Name another file, or remove this one.",
            )
        return True

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Begin the file, or go on with it, alone; whatever cannot be written shows here.

        Raises:
            SettingsError: Chunks of another call are there.
            InputError: The folder cannot be written to.
            RunError: Another process writes there.
        """
        with self._writable(), self._stamp.claim(self._parts.folder):
            yield

    @contextmanager
    def _writable(self) -> Iterator[None]:
        folder = self.out.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = self.out.with_name(f".{self.out.name}.partial")
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"--out {self.out}",
                expected="a folder that can be written to",
                got=error.strerror or str(error),
                remedy="Name a file in another folder; nothing was computed.",
            ) from error
        yield

    def part(self, number: int) -> pd.DataFrame | None:
        """Return a chunk that is finished and whole."""
        name = _part_name(number)
        if not self._parts.is_whole(name):
            return None
        return pd.read_parquet(self._parts.folder / name)

    def put_part(self, number: int, table: pd.DataFrame) -> None:
        """Write a finished chunk."""
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        self._parts.put({_part_name(number): buffer.getvalue()})

    def finish(self, table: pd.DataFrame, quarantined: Mapping[str, str]) -> None:
        """Write the file, and remove the chunks."""
        reasons = self.quarantined
        if quarantined:
            rows = pd.DataFrame({"id": list(quarantined), REASON: list(quarantined.values())})
            write_atomically(reasons, rows.to_csv(index=False, lineterminator="\n").encode())
        else:
            reasons.unlink(missing_ok=True)
        write_atomically(self.out, encode_table(table, self.out))
        about = self._stamp.content | {
            "digest": self._stamp.digest,
            "sha256": sha256_of_file(self.out),
            "num_rows": len(table),
            "quarantined": dict(quarantined),
            "versions": versions(),
        }
        text = json.dumps(about, indent=1, ensure_ascii=False, default=str)
        write_atomically(self._provenance, text.encode())

    def remove_parts(self) -> None:
        """Remove the finished chunks, which the file has all of."""
        folder = self._parts.folder
        if folder.is_dir():
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    def reasons(self) -> dict[str, str]:
        """Return the reasons of a file that is done."""
        return dict(_read(self._provenance).get("quarantined", {}))

    def table(self) -> pd.DataFrame:
        """Read the predictions of a file that is done."""
        return _READERS[self.out.suffix.lower()](self.out)

    @property
    def _provenance(self) -> Path:
        return self.out.with_name(f"{self.out.name}.provenance.json")


def encode_table(table: pd.DataFrame, out: Path) -> bytes:
    """Return a table as bytes, in the format that a file's name ends in."""
    return FORMATS[out.suffix.lower()](table)


def require_format(out: Path) -> None:
    """Raise `SettingsError` unless a file's name ends in a format that can be written."""
    if out.suffix.lower() not in FORMATS:
        raise SettingsError(
            f"--out {out}",
            expected=f"a name that ends in {', '.join(FORMATS)}",
            got=out.suffix or "no ending",
            remedy="Name a file of one of these formats.",
        )


def _csv(table: pd.DataFrame) -> bytes:
    text: str = table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    return text.encode()


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _json_lines(table: pd.DataFrame) -> bytes:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


FORMATS: Mapping[str, Callable[[pd.DataFrame], bytes]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
}
"""How a table is written, by the ending of the file."""

_TEXTS = (
    *("transcript", "transcript_source", "transcript_revision", "transcript_weights_sha256"),
    *("transcript_language", "transcript_note"),
)
"""Columns whose cells are text, also where they are empty or say `null`."""


def _read_csv(path: Path) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_csv(path, dtype=_NAMES)
    texts = [name for name in _TEXTS if name in table]
    if texts:
        table[texts] = pd.read_csv(path, usecols=texts, dtype=str, keep_default_na=False)[texts]
    return table


_NAMES = {"id": str, "label": str, PREDICTION_SET: str}
_READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=_NAMES),
}


def _part_name(number: int) -> str:
    return f"part-{number:06d}.parquet"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _differences(found: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name what two calls differ in, shortly."""
    old = flattened({part: found.get(part, {}) for part in ("settings", "inputs")})
    new = flattened({part: now.get(part, {}) for part in ("settings", "inputs")})
    differing = [
        f"{key.partition('.')[2]} {_short(old.get(key))}, now {_short(new.get(key))}"
        for key in sorted(old.keys() | new.keys())
        if digest_of(old.get(key)) != digest_of(new.get(key))
    ]
    return "; ".join(differing[:_MOST_DIFFERENCES]) or "by another version"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
