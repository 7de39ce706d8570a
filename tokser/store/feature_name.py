"""Names of what a store holds: parsed once, written back by `str`."""

from dataclasses import dataclass, replace
from typing import Self

__all__ = ["FUNCTIONALS", "PARTS", "FeatureName", "functionals_group", "rows_group"]

FUNCTIONALS = "functionals"
"""Group under which the functionals of every feature lie."""

PARTS = "parts"
"""Under a group: what was added to it later."""


@dataclass(frozen=True)
class FeatureName:
    """The name of a feature, and of its functionals.

        whisper-base/layer-6                    rows
        functionals/whisper-base/layer-6        their mean and standard deviation
        functionals/whisper-base/layer-6@max    another functional of them
        whisper-base/parts/2/layer-6            rows that were added later, where they lie

    Attributes:
        group: Encoder or run, for instance `whisper-base`.
        feature: For instance `layer-6`.
        functional: For instance `max`; empty for rows, and for mean and standard deviation.
        is_functionals: Whether it names functionals.
        part: Number of the part of its group where it lies; 0 is the first, and the feature.
    """

    group: str
    feature: str
    functional: str = ""
    is_functionals: bool = False
    part: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name; one without a group has an empty one."""
        place, _, array = text.rpartition("/")
        group, _, part = place.partition(f"/{PARTS}/")
        feature, _, functional = array.partition("@")
        own = rows_group(group)
        return cls(own, feature, functional, own != group, int(part) if part.isdigit() else 0)

    def __str__(self) -> str:
        return f"{self.place}/{self.array}" if self.group else self.array

    @property
    def group_key(self) -> str:
        """Name of the group in the store: `functionals/whisper-base` of functionals."""
        return functionals_group(self.group) if self.is_functionals else self.group

    @property
    def place(self) -> str:
        """Where its part of the group lies."""
        return f"{self.group_key}/{PARTS}/{self.part}" if self.part else self.group_key

    @property
    def array(self) -> str:
        """Name within its group: `layer-6`, `layer-6@max`."""
        return f"{self.feature}@{self.functional}" if self.functional else self.feature

    @property
    def rows(self) -> Self:
        """Name of the rows, of which these are functionals."""
        return replace(self, is_functionals=False, functional="", part=0)

    def functionals(self, functional: str = "") -> Self:
        """Name its functionals: mean and standard deviation, or another one."""
        return replace(self, is_functionals=True, functional=functional, part=0)


def functionals_group(group: str) -> str:
    """Return the key of the group that holds a group's functionals."""
    return f"{FUNCTIONALS}/{group}"


def rows_group(group: str) -> str:
    """Return the group whose functionals a group holds, or the group itself."""
    return group.removeprefix(f"{FUNCTIONALS}/")
