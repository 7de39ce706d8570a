"""`tokser.labels`, `tokser.relabel`: doubtful labels, and manifests with better ones."""

from pathlib import Path
from typing import Unpack

from tokser.api.options import LabelsOptions
from tokser.api.stores import AnyStore, address_of
from tokser.config import LabelsSettings, RelabelSettings
from tokser.config.keywords import settings_from
from tokser.experiments.doubtful_labels.audit import LabelAudit
from tokser.missing_packages import names_missing_packages
from tokser.stages.labels import labels as run_labels
from tokser.stages.relabel import relabel as run_relabel

__all__ = ["labels", "relabel"]


@names_missing_packages
def labels(
    store: AnyStore | None = None,
    *,
    features: str | None = None,
    results: str | Path | None = None,
    out: str | Path | None = None,
    **options: Unpack[LabelsOptions],
) -> LabelAudit:
    """Say which labels of a corpus are doubtful: by a model, by neighbours, and by annotators.

    Args:
        store: With functionals; without, the one that `results` were made from.
        features: One expression, such as `whisper-base/layer-3` or `best(whisper-base/layer-*)`;
            without, dev selects among all that are pooled.
        results: Folder of `tokser classify`, whose predictions are taken; without, logistic
            regression is trained, and predicts speakers that it was not trained on.
        out: Folder of the tables and of the page; without, nothing is written.
        **options: As `tokser labels --help` shows them: `protocol`, `num_neighbours`, `audio`...

    Returns:
        `doubtful`, a row for each utterance, the most doubtful label first; `noise`, a row for
        each pair of a label and another class; `expected_errors`; `num_flagged`.

    Raises:
        MissingPackageError: cleanlab is not installed.
        InputError: A keyword, a feature, the results or the folder is not what it should be.
        StoreError: The store is damaged.

    Example:
        >>> import tokser
        >>> found = tokser.labels("workspace/stores/emodb.zarr", features="whisper-base/layer-3")
        >>> len(found.doubtful)
        30
    """
    keywords = {
        "store": None if store is None else address_of(store),
        "features": features,
        "results": results,
        "out": out,
        **options,
    }
    return run_labels(settings_from(LabelsSettings, keywords, where="tokser.labels"))


@names_missing_packages
def relabel(
    decisions: str | Path,
    *,
    out: str | Path,
    manifest: str | Path | None = None,
    store: AnyStore | None = None,
) -> Path:
    """Write a new manifest with labels as they were decided; nothing else changes.

    Args:
        decisions: CSV with the columns id, label, decision (keep, change, remove) and new_label.
        out: The new manifest; nothing may be there yet.
        manifest: Whose labels are corrected.
        store: Whose manifest is read instead.

    Returns:
        `out`, for `tokser store update`.

    Raises:
        InputError: Decisions are malformed, or are not about the labels of the manifest.
    """
    keywords = {
        "decisions": decisions,
        "out": out,
        "manifest": manifest,
        "store": None if store is None else address_of(store),
    }
    run_relabel(settings_from(RelabelSettings, keywords, where="tokser.relabel"))
    return Path(out)
