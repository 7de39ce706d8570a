"""What the annotators of a corpus said about its labels."""

import numpy as np
import pandas as pd

from tokser.experiments.doubtful_labels.evidence import AnnotatorShares
from tokser.label_shares import classes_with_shares, read_shares

__all__ = ["RECOGNITION", "annotator_shares"]

RECOGNITION = "recognition_percent"
"""Column of EmoDB's listening test: percent of the listeners who recognised the emotion."""


def annotator_shares(
    utterances: pd.DataFrame, classes: tuple[str, ...], where: object
) -> AnnotatorShares | None:
    """Return the shares of annotators: columns `label_<class>`, or `recognition_percent`.

    Args:
        utterances: Columns of a manifest, index = id.
        classes: Those that are looked at; shares of others count, but suggest nothing.
        where: The table, for messages.

    Returns:
        None where the table has no such columns.

    Raises:
        InputError: The columns hold something else than shares.
    """
    labels = utterances["label"]
    if len(classes_with_shares(utterances.columns)) > 1:
        said = read_shares(utterances, where)
        shares = said.shares.reindex(columns=list(classes), fill_value=0.0)
        places = np.searchsorted(classes, labels.to_numpy(dtype=str))
        own = pd.Series(shares.to_numpy()[np.arange(len(shares)), places], index=shares.index)
        return AnnotatorShares(
            own.where(said.is_annotated), shares, said.num_annotators, are_complete=True
        )
    if RECOGNITION not in utterances:
        return None
    own = pd.to_numeric(utterances[RECOGNITION], errors="coerce").astype(float).div(100)
    own = own.where(own.between(0, 1))
    if own.isna().all():
        return None
    is_label = labels.to_numpy()[:, None] == np.asarray(classes, dtype=object)
    rest = (1 - own.to_numpy()[:, None]) / (len(classes) - 1)
    spread = np.where(is_label, own.to_numpy()[:, None], rest)
    table = pd.DataFrame(spread, index=own.index, columns=list(classes))
    unknown = pd.Series(np.nan, index=own.index)
    return AnnotatorShares(own, table, unknown, are_complete=False)
