"""`tokser.transfer`: from several stores to the scores from each corpus to each, as `Results`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from tokser.api.options import TransferOptions
from tokser.api.results import Results
from tokser.api.stores import AnyStore, addresses_of, folder_beside, joined
from tokser.config import TransferSettings
from tokser.config.keywords import settings_from
from tokser.experiments.joined_store import require_several
from tokser.missing_packages import names_missing_packages
from tokser.progress import say
from tokser.provenance import Stamp
from tokser.stages.transfer import transfer as run_transfer

__all__ = ["transfer"]


@names_missing_packages
def transfer(
    stores: Sequence[AnyStore],
    *,
    labels: str | Path | None = None,
    features: str | Sequence[str] | None = None,
    heads: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    **options: Unpack[TransferOptions],
) -> Results:
    """Train emotion classifiers on each corpus, and test them on itself and on each other one.

    Args:
        stores: At least two, of different corpora, with the same features, pooled.
        labels: Label map: `four-classes`, `six-classes`, `valence`, or a YAML file; without,
            labels of the same name are the same class.
        features: As for `classify`.
        heads: As for `classify`.
        out: Folder of the results; without, one beside the first store.
        **options: As `tokser transfer --help` shows them: `standardise_by`, `num_seeds`...

    Returns:
        Scores, predictions and so on; `transfer` is the matrix, `labels` what was left out.

    Raises:
        InputError: A keyword, an expression, a label map or the folder is not what it should be.
        StoreError: A store is damaged, or has features that were made otherwise.
    """
    require_several([stores] if isinstance(stores, str) else stores)
    there = joined(stores)
    keywords: dict[str, Any] = {
        "dataset": there.dataset,
        "store": addresses_of(there),
        "label_map": None if labels is None else str(labels),
        "features": None if features in ("all", ["all"], ("all",)) else features,
        "heads": heads,
        "out": out or "unnamed",
        **options,
    }
    settings = settings_from(TransferSettings, keywords, where="tokser.transfer")
    if out is None:
        digest = Stamp(
            "transfer",
            settings.model_dump(mode="json"),
            {n: there.identity(n) for n in there.pooled},
        )
        folder = folder_beside(there, "results", "transfer", digest)
        say(f"transfer: in {folder}")
        settings = settings.model_copy(update={"out": folder})
    return Results(run_transfer(settings))
