"""What speaks for which class, utterance by utterance: a model, neighbours, annotators."""

from dataclasses import dataclass

import pandas as pd

from tokser.experiments.feature_expressions import Early

__all__ = ["AnnotatorShares", "NeighbourCounts", "OutOfFold"]


@dataclass(frozen=True)
class OutOfFold:
    """Probabilities of models that were not trained on the utterances they predict.

    Attributes:
        probabilities: [utterances, classes], index = id, columns are the classes, sorted.
        labels: As the corpus has them, index = id.
        features: What the models were trained on, for neighbours: the layer that most folds
            selected, where each fold selected one.
        model: Head, features and protocol, in words.
    """

    probabilities: pd.DataFrame
    labels: "pd.Series[str]"
    features: tuple[Early, ...]
    model: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""
        return tuple(self.probabilities.columns)


@dataclass(frozen=True)
class NeighbourCounts:
    """The labels of each utterance's nearest neighbours.

    Attributes:
        counts: Neighbours of each class, [utterances, classes], index = id.
        expression: What distances were taken over, in words.
        features: The same as features of the store.
        are_others: Whether neighbours are utterances of other speakers.
    """

    counts: pd.DataFrame
    expression: str
    features: tuple[str, ...]
    are_others: bool


@dataclass(frozen=True)
class AnnotatorShares:
    """What annotators said.

    Attributes:
        of_label: Share of the annotators who chose the label, [utterances]; NaN where nobody
            annotated an utterance.
        shares: Share of each class, [utterances, classes]; where only `of_label` is known, the
            rest is spread over the other classes.
        num_annotators: Of each utterance; NaN where it is not known.
        are_complete: Whether it is known what the other annotators chose.
    """

    of_label: "pd.Series[float]"
    shares: pd.DataFrame
    num_annotators: "pd.Series[float]"
    are_complete: bool
