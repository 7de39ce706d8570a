"""What the paper published (Tables 1, 2 and 3), and what is known about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "COUNTS",
    "COUNT_REMARKS",
    "GRIDS",
    "NUM_TEST",
    "PUBLISHED",
    "PublishedGrid",
    "PublishedScore",
    "published_scores",
]

COUNTS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "emodb": MappingProxyType(
            {
                "anger": 127,
                "happiness": 64,
                "neutral": 78,
                "sadness": 52,
                "disgust": 38,  # printed as "Disappointed", for Ekel
                "fear": 55,
                "boredom": 79,
            }
        ),
        "iemocap": MappingProxyType(
            {"anger": 1103, "happiness": 1636, "neutral": 1708, "sadness": 1084}
        ),
    }
)
"""Utterances by label, in the paper's order. Source: paper, section 4.1, Table 1."""

COUNT_REMARKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "emodb": (
            "The paper counts 493: recordings whose emotion at least 80 % of the raters recognised "
            "and 60 % rated as natural (--subset recognised). EmoDB has 535 recordings, and the "
            "accuracies of Table 3 are multiples of 1/54, that is 10 % of 535: they are from all.",
            "The paper's label Disappointed is EmoDB's Ekel, disgust.",
        ),
        "iemocap": (
            "The paper mentions five classes and lists four: happy and excited are merged.",
        ),
    }
)
"""What a reader of Table 1 must know, by dataset."""

NUM_TEST = {"emodb": 54, "iemocap": 554}
"""Utterances in the paper's test set: 10 % of 535 and of 5,531, which its scores reveal."""

_SLIP = (
    "This row repeats the EmoDB Whisper row digit by digit, and 90.74 % is no multiple of 1/554: "
    "an error in the paper."
)
_CHANCE = "A UAR of 14.29 % is 1/7, which any constant prediction scores."


@dataclass(frozen=True)
class PublishedScore:
    """One row of the paper's Table 3.

    Source: paper, section 5, Table 3. Departs: what the table calls F1 is named accuracy.
    """

    dataset: str
    features: str
    """The paper's name of the features, for instance `Ours (Multi)`."""
    accuracy: float
    """What the paper prints as F1: micro-F1, that is accuracy; in percent."""
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


@dataclass(frozen=True)
class PublishedGrid:
    """A row of the paper's Table 2.

    Source: paper, section 4.3, Table 2.
    """

    classifier: str
    batch_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    models: tuple[str, ...] = ()


GRIDS = (
    PublishedGrid("Baseline", tuple(2**power for power in range(2, 11)), (1e-3, 5e-3)),
    PublishedGrid(
        "Proposed", tuple(2**power for power in range(2, 6)), (1e-3, 1e-2), ("base", "large")
    ),
)


def published_scores(dataset: str) -> tuple[PublishedScore, ...]:
    """Return the paper's rows for one dataset, in its order; none where it has none."""
    return tuple(row for row in PUBLISHED if row.dataset == dataset)
