"""Lhotse's manifests: recordings, supervisions and cuts as JSON lines; lhotse is not needed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokser.corpora.tables.json_lines import read_json_lines
from tokser.corpora.tables.records import Record
from tokser.errors import ManifestError

__all__ = ["read_lhotse"]

_SAME_S = 0.01
"""Lengths that differ by less are the same: lhotse rounds them to samples of any rate."""

_COLUMNS = ("text", "language", "speaker", "gender")
_LANGUAGES = {"english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it"}

_Found = tuple[str, dict[str, Any]]


def read_lhotse(paths: Sequence[Path]) -> Iterator[Record]:
    """Read recordings and what is said in them; each supervision is an utterance.

    A supervision must span its recording, for a manifest has whole files. Fields of `custom`
    become columns. Without supervisions the recordings themselves are the utterances.

    Args:
        paths: `recordings.jsonl`, `supervisions.jsonl`, `cuts.jsonl`, each packed (.gz) or not, in
            any order; what a line is, it says itself.

    Raises:
        ManifestError: Lines are no JSON objects, or none is a recording.

    Source:
        https://lhotse.readthedocs.io/en/latest/corpus.html
    """
    recordings: dict[str, _Found] = {}
    supervisions: list[_Found] = []
    strange: list[Record] = []
    for where, value in (found for path in paths for found in read_json_lines(path)):
        if "sources" in value:
            recordings[str(value.get("id"))] = (where, value)
        elif "recording_id" in value:
            supervisions.append((where, value))
        elif isinstance(value.get("recording"), dict):
            recordings[str(value["recording"].get("id"))] = (where, value["recording"])
            supervisions += ((where, one) for one in value.get("supervisions", []))
            if not _spans(value, value["recording"]):
                strange.append(Record(where, {}, ("a cut of a part of a recording",)))
        else:
            kind = value.get("type", "neither a recording, a supervision nor a cut of one file")
            strange.append(Record(where, {}, (str(kind),)))
    if not recordings:
        raise ManifestError(
            ", ".join(path.name for path in paths),
            expected="recordings (lines with `sources`)",
            got="none",
            remedy="Give recordings.jsonl too, with a second `--table`.",
        )
    yield from strange
    for where, supervision in supervisions:
        yield _utterance(where, supervision, recordings)
    if not supervisions:
        for id_, (where, recording) in recordings.items():
            yield Record(where, {"id": id_, "path": _path(recording)}, _faults(recording))


def _utterance(
    where: str, supervision: Mapping[str, Any], recordings: Mapping[str, _Found]
) -> Record:
    id_ = str(supervision.get("recording_id"))
    if id_ not in recordings:
        return Record(where, {}, (f"recording {id_!r} is not there",))
    recording = recordings[id_][1]
    faults = list(_faults(recording))
    if not _spans(supervision, recording):
        faults.append(
            f"{supervision.get('id')} is a part of {id_}; cut it into a file of its own "
            "(lhotse: trim_to_supervisions, then save_audios)"
        )
    custom = supervision.get("custom") or {}
    cells = {name: str(value) for name, value in custom.items() if value is not None}
    cells |= {name: str(supervision[name]) for name in _COLUMNS if supervision.get(name)}
    if "language" in cells:
        cells["language"] = _LANGUAGES.get(cells["language"].lower(), cells["language"])
    return Record(
        where,
        cells | {"id": str(supervision.get("id", "")), "path": _path(recording)},
        tuple(faults),
    )


def _path(recording: Mapping[str, Any]) -> str:
    sources = recording.get("sources") or [{}]
    return str(sources[0].get("source", ""))


def _faults(recording: Mapping[str, Any]) -> tuple[str, ...]:
    sources = recording.get("sources") or []
    kinds = [str(source.get("type")) for source in sources]
    faults = []
    if kinds != ["file"]:
        faults.append(f"sources {', '.join(kinds) or 'none'} instead of one file")
    if recording.get("transforms"):
        faults.append("transforms, which only lhotse can do; save the audio first")
    return tuple(faults)


def _spans(part: Mapping[str, Any], recording: Mapping[str, Any]) -> bool:
    """Tell whether a supervision or cut covers its recording."""
    whole = float(recording.get("duration", 0.0))
    start, duration = float(part.get("start", 0.0)), float(part.get("duration", whole))
    return abs(start) < _SAME_S and abs(duration - whole) < _SAME_S
