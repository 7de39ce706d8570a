"""What of a section can be explored: the map of utterances, and its errors one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tokser.config import ReportSettings
from tokser.errors import InputError, MissingInputError, MissingPackageError, list_some
from tokser.experiments.results import TRANSFER
from tokser.functionals.tables import read_functionals
from tokser.progress import say, warn
from tokser.report.coordinates import find_coordinates
from tokser.report.embedded_audio import Recording
from tokser.report.errors_list import ShownUtterance, errors_table, show, wanted_recordings
from tokser.report.found_store import NamedStores, mapped_terms, recorded_store
from tokser.report.inputs import Experiment
from tokser.report.predicted_utterances import PredictedUtterances, predicted_by
from tokser.report.recordings import Embed, embed
from tokser.report.sections import Section
from tokser.report.study import Interactive, Panel
from tokser.report.utterance_map import UtteranceMap
from tokser.report.waveform import HEIGHT, WIDTH
from tokser.store import Store

__all__ = ["explore", "map_panel"]

_ERRORS = "Errors, the most confident first"
_WITH_CLASSES = ("classification", "distribution")


@dataclass(frozen=True)
class _Explored:
    """What a section's panels are made of.

    Attributes:
        section: The section.
        predicted: Predictions of its estimate.
        experiment: The folder that has them.
        store: What made them; None where it is not there.
        absence: Why it is not.
    """

    section: Section
    predicted: PredictedUtterances
    experiment: Experiment
    store: Store | None
    absence: str


def explore(
    sections: Sequence[Section],
    settings: ReportSettings,
    encode: Embed,
    attention: Mapping[str, str],
) -> list[Section]:
    """Return sections with panels for their map and their errors, where they have such.

    A store that the results name and that is gone is no error: the page says so, and comes without
    the map. One that `settings` name must be there, and have the utterances.

    Args:
        sections: All of the page.
        settings: What is asked for.
        encode: Encodes recordings.
        attention: Anchors of attention maps on the page, by the name of their file.

    Raises:
        InputError: What was asked for by name cannot be had.
        StoreError: A store that was named is none, is damaged, or is another's.
    """
    for folder in settings.roots:
        if not folder.is_dir():
            raise MissingInputError(
                f"--root {folder}",
                expected="the folder of a corpus",
                got="no such folder",
                remedy="Correct the path.",
            )
    named = NamedStores(settings.stores)
    found = [_opened(section, settings, named) for section in sections]
    named.require_used()
    explored = []
    for section, one in zip(sections, found, strict=True):
        if one is None:
            _say_why_not(section, settings)
            explored.append(section)
        else:
            panels = _panels(one, settings, encode, attention)
            explored.append(replace(section, panels=[*section.panels, *panels]))
    return explored


def _opened(section: Section, settings: ReportSettings, named: NamedStores) -> _Explored | None:
    """Find predictions and store of a section; None where it has no classes."""
    part = section.parts[0]
    is_across = any(TRANSFER.file in one.further for one in part.folders)
    if section.task.tables.task not in _WITH_CLASSES or is_across:
        return None
    predicted = predicted_by(part)
    experiment = part.folder_of(predicted.row) if predicted else None
    if predicted is None or experiment is None:
        return None
    store, absence = named.find(predicted, experiment), ""
    if store is None:
        is_needed = bool(settings.map or settings.audio)
        store, absence = recorded_store(predicted, experiment, is_needed=is_needed)
        if store is None and is_needed:
            warn(f"{section.title}: no map and no recordings: {absence}. Name it with --store.")
    if store is not None:
        predicted = predicted.with_store(store)
    return _Explored(section, predicted, experiment, store, absence)


def _panels(
    one: _Explored, settings: ReportSettings, encode: Embed, attention: Mapping[str, str]
) -> list[Panel]:
    name, title = f"{one.section.name}-map", one.section.title
    panels, num = [], len(one.predicted.table)
    placed = _map_of(one, settings) if settings.map and one.store is not None else None
    recordings, wanted = {}, wanted_recordings(one.predicted, settings.audio)
    if one.store is not None:
        recordings = embed(wanted, one.store, encode, settings.roots)
    if placed is not None:
        num_played = sum(bool(recording.address) for recording in recordings.values())
        panels.append(map_panel(name, placed, num_played))
    table = errors_table(one.predicted, settings.errors, f"{one.section.name}-errors", title)
    if table is not None:
        panels.append(Panel(_ERRORS, _errors_note(one), tables=[table]))
    elif settings.errors and one.predicted.errors.empty:
        panels.append(Panel(_ERRORS, f"None: {one.predicted.title}, {num} test utterances."))
    lists = _lists(one, settings, recordings, wanted, attention)
    if lists:
        weights = one.section.parts[0].layer_weights
        place = next(
            (n for n, (row, _) in enumerate(weights) if row == one.predicted.row.label), None
        )
        content = {
            "lists": lists, "map": name, "width": WIDTH, "height": HEIGHT,
            "weights": "" if place is None else f"{one.section.parts[0].name}-weights-{place + 1}",
        }  # fmt: skip
        interactive = Interactive(f"{name}-recordings", "recordings.html.jinja", content=content)
        note = _recordings_note(one, recordings)
        panels.append(Panel("Utterances, one by one", note, interactive=interactive))
    return panels


def map_panel(name: str, placed: UtteranceMap, num_recordings: int = 0) -> Panel:
    """Show a map below a heading of its own.

    Args:
        name: Prefix of the ids of its elements, unique on the page.
        placed: The map.
        num_recordings: Of its utterances, on the page.
    """
    caption = f"{placed.predicted.title}. Placed by {placed.features}. {placed.coordinates.note}"
    if num_recordings:
        caption += f" A ring marks each of the {num_recordings} recordings on this page."
    if placed.num_absent:
        caption += f" {placed.num_absent} utterances have no functionals in the store, and no mark."
    return Panel(
        "Map of utterances",
        interactive=Interactive(
            name,
            "map.html.jinja",
            "map.js.jinja",
            content={"map": placed, "caption": caption[:1].upper() + caption[1:]},
            data=placed.data,
        ),
    )


def _map_of(one: _Explored, settings: ReportSettings) -> UtteranceMap | None:
    """Place the utterances; None, with a warning, where nothing was named and it cannot be done."""
    assert one.store is not None
    try:
        return _placed(one, one.store, settings)
    except InputError as error:
        if settings.map != "auto" or isinstance(error, MissingPackageError):
            raise
        warn(f"{one.section.title}: no map. {error}")
        return None


def _placed(one: _Explored, store: Store, settings: ReportSettings) -> UtteranceMap:
    terms = mapped_terms(str(settings.map), one.predicted, one.experiment, store)
    tables = [read_functionals(store, term.feature, term.functionals) for term in terms]
    joined = pd.concat(tables, axis=1, join="inner")
    ids = [name for name in one.predicted.table.index if name in joined.index]
    for term in terms:
        made_from = one.experiment.provenance.get("inputs", {}).get(term.feature)
        if made_from is not None and made_from != store.identity(term.feature):
            warn(
                f"{store.path}, {term.feature}: it has changed since {one.experiment.folder} was "
                "made; the map shows it as it is now."
            )
    predicted = one.predicted.at(ids)
    coordinates = find_coordinates(joined.loc[ids].to_numpy(), settings.map_method)
    num_absent = len(one.predicted.table) - len(ids)
    features = " + ".join(map(str, terms))
    return UtteranceMap(predicted, coordinates, features, one.section.title, num_absent)


def _lists(
    one: _Explored,
    settings: ReportSettings,
    recordings: Mapping[str, Recording],
    wanted: Sequence[str],
    attention: Mapping[str, str],
) -> list[tuple[str, list[ShownUtterance]]]:
    """Gather errors, and then the correct utterances whose recordings go with the page."""
    listed = [str(name) for name in one.predicted.errors.index[: settings.errors]]
    errors = one.predicted.errors
    among = errors[errors.index.isin({*listed, *wanted})]
    correct = one.predicted.correct
    correct = correct[correct.index.isin(wanted)]
    maps = {name: _attention_of(name, attention) for name in [*among.index, *correct.index]}
    lists = []
    for heading, table in (("", among), ("Correct, the least confident first:", correct)):
        if len(table):
            lists.append((heading, show(table, one.predicted, recordings, maps)))
    return lists


def _attention_of(utterance: str, attention: Mapping[str, str]) -> str:
    """Return the anchor of the attention map `attention-ID`; empty for none."""
    plain = utterance.rpartition("/")[2]
    return attention.get(f"attention-{plain}", "")


def _errors_note(one: _Explored) -> str:
    if one.store is not None:
        return ""
    return f"Without speakers and transcripts: {one.absence}."


def _recordings_note(one: _Explored, recordings: Mapping[str, Recording]) -> str:
    notes = []
    lost = [name for name, recording in recordings.items() if not recording.address]
    if len(recordings) > len(lost):
        notes.append(f"{len(recordings) - len(lost)} recordings are on this page.")
    elif one.store is not None:
        notes.append("Recordings are not on this page: --audio N adds N of them.")
    if lost:
        notes.append(f"Not readable: {list_some(lost)}.")
    if one.store is not None:
        notes.append("Paths of recordings are relative to the folder of the corpus.")
    return " ".join(notes)


def _say_why_not(section: Section, settings: ReportSettings) -> None:
    if settings.map or settings.audio:
        say(f"{section.title}: no map: it is of classes, within one corpus or several read as one")
