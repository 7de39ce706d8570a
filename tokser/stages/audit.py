"""What the parts of splits share and lack, before anything is trained on them."""

from collections.abc import Mapping

from tokser.config import AuditSettings
from tokser.experiments.splits.audit import Audit
from tokser.experiments.splits.plans import audit_plans, plan_splits
from tokser.store import open_store

__all__ = ["audit"]


def audit(settings: AuditSettings) -> Mapping[str, Audit]:
    """Check the splits of a store's utterances.

    Returns:
        What was found, by protocol. A leak is no error: it is stamped on every table.

    Raises:
        MissingInputError: There is no store, or no file of splits.
        InputError: The utterances or the file do not allow the splits.
    """
    store = open_store(settings.store, check=True)
    plans = plan_splits(store.utterances, settings, store.ids)
    return audit_plans(plans, store.utterances, store, threshold=settings.duplicate_threshold)
