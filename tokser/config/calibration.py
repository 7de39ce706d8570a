"""Settings of calibration and prediction sets, which `tokser classify` and `tokser fit` share."""

from typing import Annotated, Literal

from pydantic import Field

from tokser.config.option import Option

__all__ = ["CalibratedBy", "Coverages", "Exchangeable", "SetScore"]

Exchangeable = Literal["speakers", "utterances"]
"""What calibration and test are taken to be drawn from alike."""
CalibratedBy = Literal["speakers", "dev"]
"""Whose utterances calibrate: all other speakers' of the test parts, or those of the dev part."""
SetScore = Literal["lac", "aps", "aps-randomised"]
"""lac: 1 - p, whose sets are the smallest on average; aps: the probability of all classes that are
more probable, whose sets grow where an utterance is hard; aps-randomised: that and a random share
of the class's own, which covers no more than asked."""
Coverages = Annotated[
    tuple[Annotated[float, Field(gt=0, lt=1)], ...],
    Field(min_length=1),
    Option(joined=",", metavar="SHARE,..."),
]
