"""What utterances are grouped by: columns of the manifest, age in bands."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tokser.errors import SettingsError, list_some
from tokser.experiments.splits.sentences import sentences_of
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.progress import say

__all__ = ["AGE", "UNKNOWN", "USUAL", "Grouping", "age_bands", "find_groupings"]

AGE = "age"
USUAL = ("sex", AGE, "language", "session", "speaker", "corpus")
"""Columns that are taken where nothing is named, and they have two values at least."""
UNKNOWN = "unknown"
"""Name of the group of those whose cell is empty."""
MOST_GROUPS = 100
"""Groups above which a column is taken only when it is named."""


@dataclass(frozen=True)
class Grouping:
    """A column by which utterances are grouped.

    Attributes:
        column: Its name.
        of: Group of each utterance, index = id; empty where it is unknown.
        units: Whom intervals resample: speakers, or, where a group is one speaker, sentences or
            utterances.
        order: Names of the known groups, in the order of tables.
    """

    column: str
    of: "pd.Series[str]"
    units: SamplingUnits
    order: tuple[str, ...]

    def names(self, ids: Iterable[str]) -> list[str]:
        """Return the groups of utterances, in order."""
        return [self._names[one] for one in ids]

    @cached_property
    def _names(self) -> dict[str, str]:
        return dict(zip(self.of.index, self.of, strict=True))


def find_groupings(
    utterances: pd.DataFrame, names: Sequence[str] = (), bands: Sequence[float] = ()
) -> list[Grouping]:
    """Return the groupings by some columns, or by all usual ones with two groups at least.

    Args:
        utterances: Manifest of what is used, index = id.
        names: Columns; none: see `USUAL`.
        bands: Ages at which a new band begins.

    Raises:
        SettingsError: There is no such column, or it has fewer than two values.
    """
    found = []
    for name in dict.fromkeys(names or USUAL):
        if name not in utterances:
            if names:
                raise _no_such_column(name, utterances)
            continue
        cells = utterances[name]
        of, order = _groups(name, cells, bands)
        if len(order) < 2:
            if names:
                raise _one_value(name, order)
            continue
        if not names and len(order) > MOST_GROUPS:
            say(f"{name}: {len(order)} groups, which are scored apart only with --by {name}")
            continue
        found.append(Grouping(name, of, _units(utterances, of), order))
    return found


def age_bands(ages: "pd.Series[float]", edges: Sequence[float]) -> "pd.Series[str]":
    """Return the band of each age: `under 18`, `18 to 29`, `60 and over`; empty where unknown.

    Args:
        ages: In years; NaN where unknown.
        edges: Ages at which a new band begins, increasing.
    """
    names = _band_names(edges)
    places = np.searchsorted(np.asarray(edges, dtype=np.float64), ages, side="right")
    bands: pd.Series[str] = pd.Series(
        [names[place] for place in places], index=ages.index, dtype=object
    ).where(ages.notna(), "")
    return bands


def _band_names(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["all ages"]
    inner = [
        f"{low:g} to {high - 1:g}" if high - low > 1 and low % 1 == high % 1 == 0
        else f"{low:g}" if high - low == 1
        else f"{low:g} to under {high:g}"
        for low, high in itertools.pairwise(edges)
    ]  # fmt: skip
    return [f"under {edges[0]:g}", *inner, f"{edges[-1]:g} and over"]


def _groups(
    name: str, cells: pd.Series, bands: Sequence[float]
) -> tuple["pd.Series[str]", tuple[str, ...]]:
    """Return the group of each utterance, and the names of groups in order."""
    texts = cells.where(cells.notna(), "").astype(str).str.strip()
    if name == AGE:
        ages = pd.to_numeric(texts.where(texts.ne("")), errors="coerce")
        if ages.notna().any():
            strange = sorted(set(texts[ages.isna() & texts.ne("")]))
            if strange:
                say(f"age: no number in {list_some(strange)}, which count as unknown")
            own = age_bands(ages, bands)
            present = set(own)
            return own, tuple(one for one in _band_names(bands) if one in present)
    return texts, tuple(sorted(set(texts) - {""}))


def _units(utterances: pd.DataFrame, of: "pd.Series[str]") -> SamplingUnits:
    """Return the largest units of which a group has several: speakers, sentences, utterances."""
    known = of.ne("")
    speakers = utterances["speaker"]
    if not known.any() or speakers[known].eq("").any():
        return SamplingUnits("speaker", speakers)
    sentences = sentences_of(utterances)
    for kind, units in (("speaker", speakers), ("sentence", sentences)):
        own = units[known]
        if own.ne("").all() and own.groupby(of[known]).nunique().max() > 1:
            return SamplingUnits(kind, units)
    return SamplingUnits("utterance", pd.Series(utterances.index, index=utterances.index))


def _no_such_column(name: str, utterances: pd.DataFrame) -> SettingsError:
    columns = [str(c) for c in utterances if utterances[c].nunique() > 1]
    return SettingsError(
        f"--by {name}",
        expected=f"columns of the manifest with several values: {list_some(columns, most=20)}",
        got=f"none called {name!r}",
        remedy="Name some of these, or add the column to the manifest and extract again.",
    )


def _one_value(name: str, order: Sequence[str]) -> SettingsError:
    return SettingsError(
        f"--by {name}",
        expected="a column with two values at least",
        got=f"{order[0]!r} for every utterance" if order else "a column without values",
        remedy="Leave it out: there is nothing to compare.",
    )
