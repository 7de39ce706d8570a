"""What the parts of splits share and lack, before anything is trained on them."""

from collections.abc import Mapping

import pandas as pd

from tokser.config import AuditSettings
from tokser.experiments.classification import Classification
from tokser.experiments.regression import Regression
from tokser.experiments.results import SHARED
from tokser.experiments.splits.atlas import leak_atlas
from tokser.experiments.splits.audit import Audit
from tokser.experiments.splits.plans import audit_plans, plan_splits
from tokser.experiments.splits.recordings import recordings
from tokser.experiments.task import Task
from tokser.provenance import write_atomically
from tokser.store import open_store

__all__ = ["Audited", "audit"]


class Audited(dict[str, Audit]):
    """What each protocol shares and lacks.

    Attributes:
        shared: What every two parts share, see `results.SHARED`.
    """

    def __init__(self, audits: Mapping[str, Audit], shared: pd.DataFrame) -> None:
        super().__init__(audits)
        self.shared = shared


def audit(settings: AuditSettings) -> Audited:
    """Audit the splits of a store's utterances: of those with a label, where there are labels.

    Returns:
        What each protocol shares and lacks, and what every two parts share, which is written to
        `out`. A leak is no error: it is stamped on every table.

    Raises:
        MissingInputError: There is no store, or no file of splits.
        InputError: The utterances or the file do not allow the splits.
    """
    store = open_store(settings.store, check=True)
    task: Task = Classification() if store.utterances["label"].ne("").any() else Regression(())
    usable = task.usable(store.utterances, splits_are_given=settings.names_utterances)
    plans = plan_splits(usable, task, settings, store.utterances)
    audits = audit_plans(plans, usable, store, task, threshold=settings.duplicate_threshold)
    folds = {name: plan.every_fold() for name, plan in plans.items()}
    shared = SHARED.frame(leak_atlas(folds, usable, recordings(store)))
    if settings.out is not None:
        settings.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(settings.out, SHARED.content(shared))
    return Audited(audits, shared)
