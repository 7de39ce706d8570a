"""Label maps: which labels, or ratings, of a corpus are which class; one YAML file each."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from tokser.config import Settings
from tokser.errors import MissingInputError, SettingsError
from tokser.shipped import shipped_file
from tokser.yaml_file import Place, read_located_yaml

__all__ = ["SHIPPED", "LabelMap", "OfCorpus", "read_label_map"]

SHIPPED = ("four-classes", "six-classes", "valence")
"""Names of the maps that come with tokser."""
_FOLDER = "data_manifests/label_maps"
_MOST_FAULTS = 20

Name = Annotated[str, Field(min_length=1, max_length=100)]
Labels = Annotated[tuple[Name, ...], Field(min_length=1)]


class OfCorpus(Settings):
    """What differs for one corpus."""

    classes: dict[Name, Labels] = Field(default_factory=dict)
    """Labels of each class, instead of those for all corpora."""
    column: str = ""
    """Column with numbers that are cut into bins, instead of labels."""
    bins: dict[Name, tuple[float, float]] = Field(default_factory=dict)
    """Least number of each class, and the one at which the next begins."""


class LabelMap(Settings):
    """Which labels are which class.

    Attributes:
        title: What it is called in tables.
        classes: Labels by class, for every corpus.
        corpora: What differs for some, by their names.
    """

    title: Name
    classes: dict[Name, Labels] = Field(default_factory=dict)
    corpora: dict[str, OfCorpus] = Field(default_factory=dict)

    def of(self, corpus: str) -> OfCorpus:
        """Return what holds for a corpus."""
        own = self.corpora.get(corpus, OfCorpus())
        if own.bins:
            return own
        return OfCorpus(classes=own.classes or self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Every class that some corpus can have, sorted."""
        found = {*self.classes}
        for own in self.corpora.values():
            found |= {*own.classes, *own.bins}
        return tuple(sorted(found))


def read_label_map(name: str) -> LabelMap:
    """Read and check a label map.

    Args:
        name: One that comes with tokser, such as `four-classes`, or a YAML file.

    Raises:
        MissingInputError: There is no such file.
        SettingsError: It is no YAML, has an unknown key or a wrong value, gives a label to two
            classes, or has bins that overlap; each with its line.
    """
    path = shipped_file(_FOLDER, f"{name}.yaml") if name in SHIPPED else Path(name)
    if not path.is_file():
        raise MissingInputError(
            f"--labels {name}",
            expected=f"one of {', '.join(SHIPPED)}, or a YAML file with classes",
            got="nothing of this name",
            remedy=f"Correct it; {_FOLDER}/four-classes.yaml shows the form.",
        )
    content, lines = read_located_yaml(
        path,
        kind="a label map",
        keys="keys title, classes and corpora",
        example=f"{_FOLDER}/four-classes.yaml",
    )
    try:
        found = LabelMap.model_validate(content)
    except ValidationError as error:
        faults = [(tuple(one["loc"]), LabelMap._describe(one)) for one in error.errors()]
        raise _wrong(path, faults, lines) from error
    if wrong := list(_faults_of(found)):
        raise _wrong(path, wrong, lines)
    return found


def _faults_of(found: LabelMap) -> Iterator[tuple[Place, str]]:
    if len(found.names) < 2:
        yield (), f"at least two classes are needed, there are {len(found.names)}"
    yield from _twice((), found.classes)
    for corpus, own in found.corpora.items():
        place: Place = ("corpora", corpus)
        yield from _twice(place, own.classes)
        if bool(own.classes) == bool(own.bins):
            yield place, "either `classes`, or `column` and `bins`, are needed"
        elif bool(own.column) != bool(own.bins):
            yield place, "`column` and `bins` are needed together"
        yield from _overlaps((*place, "bins"), own.bins)


def _twice(place: Place, classes: Mapping[str, Labels]) -> Iterator[tuple[Place, str]]:
    """Find labels that are given to two classes."""
    known: dict[str, str] = {}
    for name, labels in classes.items():
        for number, label in enumerate(labels):
            other = known.setdefault(label, name)
            if other != name:
                at: Place = (*place, "classes", name, number)
                yield at, f"label {label!r} is in the classes {other} and {name}"


def _overlaps(place: Place, bins: Mapping[str, tuple[float, float]]) -> Iterator[tuple[Place, str]]:
    """Find bins that are empty, or share numbers with another."""
    before = ("", float("-inf"))
    for name, (low, high) in sorted(bins.items(), key=lambda pair: pair[1]):
        if not low < high:
            yield (*place, name), f"bin {name} is empty: {low:g} is not below {high:g}"
        elif low < before[1]:
            yield (*place, name), f"bins {before[0]} and {name} overlap"
        before = (name, high)


def _wrong(
    path: Path, faults: "list[tuple[Place, str]] | list[tuple[Any, str]]", lines: dict[Place, int]
) -> SettingsError:
    found = []
    for place, text in faults:
        at = tuple(place)
        while at not in lines:
            at = at[:-1]
        found.append(f"line {lines[at]}: {text}")
    more = len(found) - _MOST_FAULTS
    return SettingsError(
        path,
        expected="a label map, with keys and values that are allowed",
        got="; ".join(found[:_MOST_FAULTS]) + (f"; and {more} more" if more > 0 else ""),
        remedy="Correct the named lines.",
    )
