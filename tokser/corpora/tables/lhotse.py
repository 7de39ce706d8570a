"""Lhotse's manifests: recordings, supervisions and cuts as JSON lines; lhotse is not needed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokser.corpora.manifest import CHANNEL
from tokser.corpora.parts import END, START
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

    A supervision may be a part of its recording, which `start_s` and `end_s` then say, and one of
    its channels, which `channel` says. Fields of `custom` become columns.
    Without supervisions the recordings themselves are the utterances, their channels averaged.

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
        recording = value.get("recording")
        if "sources" in value:
            recordings[str(value.get("id"))] = (where, value)
        elif "recording_id" in value:
            supervisions.append((where, value))
        elif isinstance(recording, dict):
            recordings[str(recording.get("id"))] = (where, recording)
            supervisions += ((where, one) for one in _supervisions_of(value))
            if fault := _span_of(value, recording)[1]:
                strange.append(Record(where, {}, (fault,)))
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


def _supervisions_of(cut: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is said in a cut; what does not say its channel is of those of the cut.

    Times in a cut count from its beginning, those of supervisions from the recording's.
    """
    found, begin = cut.get("supervisions"), cut.get("start", 0.0)
    for one in found if isinstance(found, list) else []:
        # Anything else has no recording, and becomes a fault of its own.
        one = one if isinstance(one, dict) else {"recording_id": None}
        start = one.get("start", 0.0)
        are_numbers = all(isinstance(value, int | float) for value in (begin, start))
        moved = {"start": begin + start} if are_numbers else {}
        yield {"channel": cut.get("channel")} | one | moved


def _utterance(
    where: str, supervision: Mapping[str, Any], recordings: Mapping[str, _Found]
) -> Record:
    id_, name = str(supervision.get("recording_id")), str(supervision.get("id", ""))
    if id_ not in recordings:
        return Record(where, {}, (f"recording {id_!r} is not there",))
    recording = recordings[id_][1]
    faults = list(_faults(recording))
    span, fault = _span_of(supervision, recording)
    if fault:
        faults.append(fault)
    custom = supervision.get("custom") or {}
    if not isinstance(custom, dict):
        faults.append(f"custom {custom!r} instead of an object")
        custom = {}
    cells = {field: str(value) for field, value in custom.items() if value is not None}
    cells |= {field: str(supervision[field]) for field in _COLUMNS if supervision.get(field)}
    if "language" in cells:
        cells["language"] = _LANGUAGES.get(cells["language"].lower(), cells["language"])
    cells |= {"id": name, "path": _path(recording)} | span
    channel, fault = _channel_of(supervision.get("channel"), recording)
    if fault:
        faults.append(f"{name} is {fault} of {id_}; save it as a separate file")
    elif channel:
        cells[CHANNEL] = channel
    return Record(where, cells, tuple(faults))


def _channel_of(wanted: Any, recording: Mapping[str, Any]) -> tuple[str, str]:
    """Return the channel that an utterance is, "" if it is all of them, and what is wrong."""
    there = _channels_in(recording)
    selected = wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]
    if any(type(one) is not int or one < 0 for one in selected):
        return "", f"channel {wanted!r}, which is not a whole number,"
    if there and not set(selected) <= set(there):
        return "", f"channel {wanted!r} where there are {there}"
    if not selected or set(selected) == set(there):
        return "", ""
    if len(selected) > 1:
        return "", f"the channels {selected} out of {there or 'some'}"
    # A file has its channels in the order of its source, whatever their numbers.
    return str(there.index(selected[0]) if there else selected[0]), ""


def _channels_in(recording: Mapping[str, Any]) -> list[int]:
    first = _sources(recording)[:1]
    stated = [first[0].get("channels") if first else None, recording.get("channel_ids")]
    lists = [one for one in stated if isinstance(one, list) and one]
    return next((one for one in lists if all(type(number) is int for number in one)), [])


def _sources(recording: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = recording.get("sources")
    kept = found if isinstance(found, list) else []
    return [source if isinstance(source, dict) else {} for source in kept]


def _path(recording: Mapping[str, Any]) -> str:
    sources = _sources(recording)
    return str(sources[0].get("source", "")) if sources else ""


def _faults(recording: Mapping[str, Any]) -> tuple[str, ...]:
    kinds = [str(source.get("type")) for source in _sources(recording)]
    faults = []
    if kinds != ["file"]:
        faults.append(f"sources {', '.join(kinds) or 'none'} instead of one file")
    if recording.get("transforms"):
        faults.append("transforms, which only lhotse can apply; save the audio first")
    return tuple(faults)


def _span_of(part: Mapping[str, Any], recording: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Return where a supervision begins and ends, if it is a part, and what is wrong with that."""
    whole = recording.get("duration", 0.0)
    start, duration = part.get("start", 0.0), part.get("duration", whole)
    for name, value in (("duration", whole), ("start", start), ("duration", duration)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return {}, f"{name} {value!r} is not a number of seconds"
    if abs(start) < _SAME_S and abs(duration - whole) < _SAME_S:
        return {}, ""
    return {START: f"{start:.6f}", END: f"{start + duration:.6f}"}, ""
