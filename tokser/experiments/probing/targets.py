"""What can be probed for: columns of the manifest, and what was measured of the sound."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tokser.errors import InputError, SettingsError, list_some
from tokser.experiments.splits.sentences import sentences_of
from tokser.store import Store

__all__ = ["Target", "read_targets", "usual_targets"]

_EGEMAPS, _ACOUSTIC = "egemaps/functionals", "acoustic/functionals"
_OF_SOUND = {
    _EGEMAPS: {"energy": "loudness_sma3_amean", "f0": "F0semitoneFrom27.5Hz_sma3nz_amean"},
    _ACOUSTIC: {"energy": "energy_db_mean", "f0": "f0_semitones_mean"},
}
"""Columns with mean loudness or energy, and mean pitch of voiced frames in semitones from 27.5 Hz,
by feature; the first that a store has."""
_SOUNDS = ("energy", "f0")
_CLASSES = ("label", "speaker", "sex", "language", "session")
"""Columns whose values are classes even where they look like numbers."""
_FEWEST = 2
"""Utterances of a class, below which it is left out."""


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes:
        name: Of the target.
        values: Classes (texts) or numbers, index = id; utterances without one are left out.
        groups: What no two parts share: speakers, or sentences.
        grouped_by: `speaker` or `sentence`.
    """

    name: str
    values: "pd.Series[float] | pd.Series[str]"
    groups: "pd.Series[str]"
    grouped_by: str

    @property
    def is_number(self) -> bool:
        """Whether it is a number, and no class."""
        return bool(pd.api.types.is_numeric_dtype(self.values))


def usual_targets(store: Store) -> list[str]:
    """Return the targets that a store's utterances allow, of those that are usually probed."""
    table = store.utterances
    wanted = [
        name
        for name, column in (
            ("emotion", table["label"]),
            ("speaker", table["speaker"]),
            ("sex", table["sex"]),
            ("language", table["language"]),
            ("sentence", sentences_of(table)),
        )
        if column[column.ne("")].nunique() > 1 and (name != "speaker" or column.ne("").all())
    ]
    said = sentences_of(table)
    if said.eq("").any() or not 1 < said.nunique() <= len(table) // _FEWEST:
        wanted = [name for name in wanted if name not in ("sentence", "speaker")]
    of_sound = _SOUNDS if any(name in store.pooled for name in _OF_SOUND) else ()
    return [*wanted, "duration", *of_sound]


def read_targets(store: Store, names: Sequence[str]) -> list[Target]:
    """Return targets by name: those of `usual_targets`, or any column of the manifest.

    A speaker cannot be recognised who was not trained on, so for `speaker` whole sentences are held
    out; for everything else whole speakers are.

    Raises:
        SettingsError: There is no such target, or nothing was measured of the sound.
        InputError: Fewer than two classes, or speakers or sentences are unknown.
    """
    return [_target(store, name) for name in names]


def _target(store: Store, name: str) -> Target:
    table = store.utterances
    values = _values(store, name)
    grouped_by = "sentence" if name == "speaker" else "speaker"
    groups = sentences_of(table) if grouped_by == "sentence" else table["speaker"]
    if pd.api.types.is_numeric_dtype(values):
        values = values.astype(float)
        values = values[values.notna()]
    else:
        values = values.astype(str)
        counts = values.value_counts()
        values = values[values.ne("") & values.map(counts).ge(_FEWEST)]
    if values.nunique() < 2:
        raise InputError(
            f"{store.path}, target {name}",
            expected=f"two different values at least, of {_FEWEST} utterances each",
            got=list_some(sorted(map(str, values.unique()))) or "none",
            remedy="Leave this target out with --targets.",
        )
    groups = groups.loc[values.index]
    if groups.eq("").any():
        raise InputError(
            f"{store.path}, target {name}",
            expected=f"a {grouped_by} for every utterance",
            got=f"{int(groups.eq('').sum())} without one",
            remedy="Complete the manifest, or leave this target out with --targets.",
        )
    return Target(name, values, groups, grouped_by)


def _values(store: Store, name: str) -> "pd.Series[float] | pd.Series[str]":
    table = store.utterances
    if name in _SOUNDS:
        return _of_sound(store, name)
    if name == "duration":
        return table["num_samples"].astype(float) / table["sampling_rate_hz"].astype(float)
    if name == "sentence":
        return sentences_of(table)
    column = {"emotion": "label"}.get(name, name)
    if column not in table:
        raise SettingsError(
            f"--targets {name}, {store.path}",
            expected=f"emotion, duration, energy, f0, sentence or a column of the manifest: "
            f"{list_some(list(table.columns), most=20)}",
            got=repr(name),
            remedy="Name one of these.",
        )
    values = table[column]
    if column in _CLASSES:
        return values
    numbers = pd.to_numeric(values.where(values.ne("")), errors="coerce")
    return numbers if numbers.notna().equals(values.ne("")) else values


def _of_sound(store: Store, name: str) -> "pd.Series[float]":
    """Return what was measured of the recordings; nothing where no frame is voiced."""
    feature = next((one for one in _OF_SOUND if one in store.pooled), None)
    if feature is None:
        raise SettingsError(
            f"--targets {name}, {store.path}",
            expected=f"the feature {' or '.join(_OF_SOUND)}, which has it",
            got="none of these names",
            remedy=f"Measure it: tokser pool --store {store.path} --acoustic.",
        )
    table = store.functionals(feature)
    table.columns = pd.Index(store.functional_columns(feature))
    values: pd.Series[float] = table[_OF_SOUND[feature][name]]
    return values[values.gt(0)] if name == "f0" else values
