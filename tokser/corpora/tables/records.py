"""Records of any table, checked and brought into a manifest's columns, all faults at once."""

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from tokser.corpora.manifest import CHANNEL, COLUMNS, is_channel
from tokser.corpora.parts import fault_of_part, name_of_part
from tokser.errors import ManifestError, SettingsError, list_some
from tokser.progress import say, warn

__all__ = ["Naming", "Record", "rows_of"]

_TEXTS = tuple(name for name in COLUMNS if name not in ("num_samples", "sampling_rate_hz"))
_MEASURED = frozenset({"num_samples", "sampling_rate_hz"})
"""Read from the recordings themselves, whatever the table says."""

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("utterance", "utterance_id", "key"),
        "path": ("file", "filename", "filepath", "file_path", "audio", "audio_path", "wav"),
        "speaker": ("speaker_id", "spk", "actor"),
        "sex": ("gender",),
        "transcript": ("transcription", "text"),
        "label": ("emotion", "emo"),
    }
)
_LOOKALIKES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"speaker": ("subject", "participant", "talker"), "transcript": ("sentence",)}
)
"""Names that may mean a manifest's column, or something else: only a message mentions them."""
_LIKE = 0.75
"""Similarity (difflib's ratio) from which a column's name looks like a known one."""
_SEXES = MappingProxyType({"female": "f", "male": "m"})


@dataclass(frozen=True)
class Record:
    """What a table says about one utterance.

    Attributes:
        where: Where it stands, for instance `line 7`.
        cells: Text by column.
        faults: What the reader of the table found wrong with it.
    """

    where: str
    cells: Mapping[str, str]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Naming:
    """How a table's names become a manifest's.

    Attributes:
        columns: The table's column for a manifest's; others are found by their usual names.
        labels: The manifest's label for one of the table's; others stay as they are.
        language: Of utterances whose table has none, for instance `de`.
        unlabelled: Whether a table without any label is meant to be so (for pretraining).
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    unlabelled: bool = False


def rows_of(
    records: Iterable[Record], *, table: object, root: Path, naming: Naming
) -> list[dict[str, Any]]:
    """Bring records into rows for `probe_recordings`.

    Paths stay as they are, letter by letter; in other text runs of white space become one space.
    Ids that the table does not give are the names of the recordings, or their paths where names
    repeat. Columns that a manifest does not know are kept as text.

    Args:
        records: What the table says.
        table: Its name, for messages.
        root: The folder that its paths are relative to, or that absolute paths lie in.
        naming: How columns and labels are called there.

    Raises:
        SettingsError: `naming` names a column, or a label, that the table lacks.
        ManifestError: Records are malformed, or share an id; all are named.
    """
    records = list(records)
    if not records:
        raise _malformed(table, ["no utterances"])
    columns = list(dict.fromkeys(name for record in records for name in record.cells))
    renamed = _renamed(columns, naming, table)
    faults: list[str] = []
    rows = []
    for record in records:
        row = {name: _clean(record.cells.get(source, "")) for name, source in renamed.items()}
        row["path"] = record.cells.get(renamed["path"], "")
        wrong = list(record.faults) or _faults_of(row)
        if not wrong:
            path = _within(row["path"], root)
            wrong = [] if path else [f"path {row['path']!r} is outside of {root}"]
            row["path"] = path
        faults += [f"{record.where}: {fault}" for fault in wrong]
        rows.append(row)
    if faults:
        raise _malformed(table, faults)
    _name_all(rows)
    _label_all(rows, naming, table)
    for row in rows:
        row["language"] = row["language"] or naming.language
        row["sex"] = _SEXES.get(row["sex"].lower(), row["sex"].lower())
    copies = [id_ for id_, count in Counter(row["id"] for row in rows).items() if count > 1]
    if copies:
        raise _malformed(table, [f"id {id_} twice" for id_ in copies])
    return rows


def _renamed(columns: Sequence[str], naming: Naming, table: object) -> dict[str, str]:
    """Return the table's column for each of the manifest's, its own beyond those at the end."""
    selected = dict(naming.columns)
    unknown = [source for source in selected.values() if source not in columns]
    strange = [name for name in selected if name in _MEASURED]
    if unknown or strange:
        near = difflib.get_close_matches((unknown or strange)[0], columns, n=1, cutoff=0.5)
        raise SettingsError(
            "--column",
            expected=f"columns of {table}: {list_some(columns, most=30)}",
            got=list_some(unknown) or f"{strange[0]}, which is read from the recordings",
            remedy=f"Did you mean {near[0]!r}?" if near else "Name one of these.",
        )
    for name in (*_TEXTS, CHANNEL):
        source = _source_of(name, [one for one in columns if one not in selected.values()])
        if source and name not in selected:
            selected[name] = source
            if source != name:
                say(f"{table}: {name} <- {source}")
    if "path" not in selected or ("label" not in selected and not naming.unlabelled):
        missing = "path" if "path" not in selected else "label"
        unless = " (or --unlabelled, for pretraining)" if missing == "label" else ""
        raise ManifestError(
            table,
            expected=f"a column {missing!r}",
            got=list_some(columns, most=30) or "no column",
            remedy=f"Name it with `--column {missing}=NAME`{unless}.",
        )
    taken = {*selected.values(), *_TEXTS, *_MEASURED}
    known = {name: selected.get(name, "") for name in (*_TEXTS, *selected)}
    own = [name for name in columns if name not in taken and name not in known]
    for name in own:
        if like := _looks_like(name, [other for other in _TEXTS if other not in selected]):
            warn(
                f"{table}: column {name!r} looks like {like} and is kept as an extra column; "
                f"if it is {like}, add `--column {like}={name}`"
            )
    return known | dict(zip(own, own, strict=True))


def _source_of(name: str, columns: Sequence[str]) -> str:
    """Return the column that is called so, or nearly: other case, no underscore."""
    usual = (name, *_OTHER_NAMES.get(name, ()))
    exact = [one for one in usual if one in columns]
    nearly = [one for other in usual for one in columns if _plain(one) == _plain(other)]
    return next(iter(exact + nearly), "")


def _looks_like(column: str, names: Sequence[str]) -> str:
    """Return which of a manifest's columns another one's name resembles."""
    words = {
        _plain(word): name
        for name in names
        for word in (name, *_OTHER_NAMES.get(name, ()), *_LOOKALIKES.get(name, ()))
        if len(word) > 2
    }
    near = difflib.get_close_matches(_plain(column), words, n=1, cutoff=_LIKE)
    return words[near[0]] if near else ""


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _clean(cell: str) -> str:
    return " ".join(cell.split())


def _faults_of(row: Mapping[str, str]) -> list[str]:
    if not row["path"].strip():
        return ["no path"]
    faults = [f"{name} contains a null character" for name in row if "\0" in row[name]]
    if len(row["path"].splitlines()) > 1:
        faults.append(f"path {row['path']!r} contains a line break; rename the recording")
    if fault := fault_of_part(row):
        faults.append(fault)
    if not is_channel(row.get(CHANNEL, "")):
        faults.append(
            f"channel {row[CHANNEL]!r} is not a number from 0 (if the column means something else, "
            f"add `--column NAME={CHANNEL}`)"
        )
    return faults


def _within(path: str, root: Path) -> str:
    """Return a path relative to `root`, or "" if it lies outside."""
    base = os.path.abspath(root)  # noqa: PTH100  `resolve` would follow links out of the corpus
    whole = os.path.abspath(os.path.join(base, os.path.expanduser(path)))  # noqa: PTH100, PTH111, PTH118
    if os.path.commonpath([base, whole]) != base or whole == base:
        return ""
    return Path(whole).relative_to(base).as_posix()


def _name_all(rows: Sequence[dict[str, Any]]) -> None:
    stems = Counter(PurePosixPath(path).stem for path in {row["path"] for row in rows})
    for row in rows:
        path = PurePosixPath(row["path"])
        alone = stems[path.stem] == 1
        name = path.stem if alone else "-".join(path.with_suffix("").parts)
        row["id"] = row["id"] or name_of_part(name, row)


def _label_all(rows: Sequence[dict[str, Any]], naming: Naming, table: object) -> None:
    there = sorted({row["label"] for row in rows} - {""})
    unknown = [label for label in naming.labels if label not in there]
    if unknown:
        raise SettingsError(
            "--rename-label",
            expected=f"labels of {table}: {list_some(there, most=30) or 'none'}",
            got=list_some(unknown),
            remedy="Name labels that the table has.",
        )
    for row in rows:
        row["label"] = naming.labels.get(row["label"], row["label"])
    bare = sum(not row["label"] for row in rows)
    if bare and not naming.unlabelled:
        warn(f"{table}: {bare} of {len(rows)} utterances have no label")


def _malformed(table: object, faults: Sequence[str]) -> ManifestError:
    return ManifestError(
        table,
        expected="one utterance per record, with a path inside the corpus and a unique id",
        got=list_some(faults, most=20),
        remedy="Correct these records.",
    )
