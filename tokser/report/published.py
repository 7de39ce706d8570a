"""The scores that the report published (Table 3), and what is known about them."""

from dataclasses import dataclass

__all__ = ["NUM_TEST", "PUBLISHED", "PublishedScore", "published_scores"]

NUM_TEST = {"emodb": 54, "iemocap": 554}
"""Utterances in the report's test part: 10 % of 535 and of 5,531, which its scores reveal."""

_SLIP = (
    "This row repeats the EmoDB Whisper row digit by digit, and 90.74 % is no multiple of 1/554: "
    "a slip of the report."
)
_CHANCE = "A UAR of 14.29 % is 1/7: what giving every utterance the same label scores."


@dataclass(frozen=True)
class PublishedScore:
    """One row of the report's Table 3.

    Source: report, section 5, Table 3. Departs: what the table calls F1 is named accuracy.
    """

    dataset: str
    features: str
    """The report's name of the features, for instance `Ours (Multi)`."""
    accuracy: float
    """What the report prints as F1: micro-F1, that is accuracy; in percent."""
    uar: float
    """Unweighted average recall, in percent."""
    remark: str = ""
    """What a reader must know about this row."""


PUBLISHED = (
    PublishedScore("emodb", "BERT (Mono)", 29.63, 14.29, _CHANCE),
    PublishedScore("emodb", "BERT (Multi)", 31.48, 17.47),
    PublishedScore("emodb", "Whisper", 90.74, 86.53),
    PublishedScore("emodb", "WavLM", 98.15, 98.57),
    PublishedScore("emodb", "Ours (Multi)", 70.37, 72.37),
    PublishedScore("iemocap", "BERT (Mono)", 68.95, 69.13),
    PublishedScore("iemocap", "BERT (Multi)", 66.25, 66.51),
    PublishedScore("iemocap", "Whisper", 74.55, 75.9),
    PublishedScore("iemocap", "WavLM", 90.74, 86.53, _SLIP),
    PublishedScore("iemocap", "Ours (Mono)", 73.65, 74.32),
    PublishedScore("iemocap", "Ours (Multi)", 74.73, 75.28),
)


def published_scores(dataset: str) -> tuple[PublishedScore, ...]:
    """Return the report's rows for one dataset, in its order; none for a dataset it lacks."""
    return tuple(row for row in PUBLISHED if row.dataset == dataset)
