"""`tokser.scaling`: how scores grow with training speakers and utterances."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from tokser.api.options import ScalingOptions
from tokser.api.stores import AnyStore, address_of
from tokser.config import ScalingSettings
from tokser.config.keywords import settings_from
from tokser.experiments.scaling.score import ScalingTables
from tokser.missing_packages import names_missing_packages
from tokser.stages.scaling import scaling as run_scaling

__all__ = ["scaling"]


@names_missing_packages
def scaling(
    store: AnyStore,
    *,
    features: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    head: str | None = None,
    out: str | Path | None = None,
    **options: Unpack[ScalingOptions],
) -> ScalingTables:
    """Train on nested subsets of the speakers and utterances, and predict the same test speakers.

    Args:
        store: With functionals.
        features: Expressions such as `whisper-base/layer-*`, a curve each; without, all that are
            pooled.
        targets: Columns with numbers, scored by CCC; without, the emotion label, scored by UAR.
        head: `logreg`, `mlp`, `svm` and so on; without, logreg, or ridge for numbers.
        out: Folder of the tables and figures, in which the same call goes on; without, nothing is
            kept.
        **options: As `tokser scaling --help` shows them: `num_speakers`, `num_draws`, `protocol`...

    Returns:
        `scores`, a row for each point with `score`, `low` and `high`; `fits`, a row for each curve
        with the power law, `score_at_double` and `gain_per_doubling`.

    Raises:
        InputError: A keyword, a feature, or the folder is not what it should be, or the corpus is
            too small for a curve.
        StoreError: The store is damaged.
    """
    keywords = {
        "store": address_of(store),
        "features": () if features is None else features,
        "targets": () if targets is None else targets,
        "head": head,
        "out": out,
        **options,
    }
    return run_scaling(settings_from(ScalingSettings, keywords, where="tokser.scaling"))
