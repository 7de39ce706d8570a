"""What the parts of splits share and lack, before anything is trained on them."""

from collections.abc import Mapping

from tokser.config import AuditSettings
from tokser.experiments.classification import Classification
from tokser.experiments.regression import Regression
from tokser.experiments.splits.audit import Audit
from tokser.experiments.splits.plans import audit_plans, plan_splits
from tokser.experiments.task import Task
from tokser.store import open_store

__all__ = ["audit"]


def audit(settings: AuditSettings) -> Mapping[str, Audit]:
    """Audit the splits of a store's utterances: of those with a label, where there are labels.

    Returns:
        What each protocol shares and lacks. A leak is no error: it is stamped on every table.

    Raises:
        MissingInputError: There is no store, or no file of splits.
        InputError: The utterances or the file do not allow the splits.
    """
    store = open_store(settings.store, check=True)
    task: Task = Classification() if store.utterances["label"].ne("").any() else Regression(())
    usable = task.usable(store.utterances, splits_are_given=settings.splits_file is not None)
    plans = plan_splits(usable, task, settings, store.ids)
    return audit_plans(plans, usable, store, task, threshold=settings.duplicate_threshold)
