"""Whom intervals and tests take as independent: speakers, or the sessions that hold them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

__all__ = ["SamplingUnits", "find_sampling_units"]


@dataclass(frozen=True)
class SamplingUnits:
    """The independent unit of each utterance.

    Attributes:
        kind: `speaker` or `session`.
        by_id: Unit of each utterance, index = id; empty text where it is unknown.
    """

    kind: str
    by_id: "pd.Series[str]"

    def of(self, ids: Iterable[str]) -> "pd.Series[str]":
        """Return the units of utterances, index = id."""
        return self.by_id.loc[list(ids)]

    def names(self, ids: Iterable[str]) -> list[str]:
        """Return the units of utterances, in order: what `of` has, without the cost of an index."""
        return [self._names[one] for one in ids]

    @cached_property
    def _names(self) -> dict[str, str]:
        return dict(zip(self.by_id.index, self.by_id, strict=True))

    def missing(self, ids: Iterable[str]) -> str:
        """Say why utterances allow no interval; empty where their units are known."""
        unknown = "" in self.names(ids)
        return f"{self.kind}s unknown" if unknown else ""


def find_sampling_units(utterances: pd.DataFrame) -> SamplingUnits:
    """Return the largest groups of utterances that share a voice or a conversation.

    Two speakers of a session talk to each other, and folds of such corpora are sessions, so the
    session is the unit where every utterance has one and each speaker has but one. Else it is the
    speaker.

    Args:
        utterances: Columns `speaker` and `session`, index = id.
    """
    speakers, sessions = utterances["speaker"], utterances["session"]
    known = bool(sessions.ne("").all() and speakers.ne("").all())
    is_nested = known and bool((sessions.groupby(speakers).nunique() == 1).all())
    holds_several = sessions.nunique() < speakers.nunique()
    kind = "session" if is_nested and holds_several else "speaker"
    return SamplingUnits(kind, utterances[kind])
