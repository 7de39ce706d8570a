"""How alike the features of a store are."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tokser.config import SimilaritySettings
from tokser.device import one_thread
from tokser.experiments.pooled_features import pooled_features, require_own_folder
from tokser.experiments.similarity.measure import similarity_table
from tokser.experiments.similarity.table import SIMILARITY
from tokser.experiments.study_folder import write_study
from tokser.store import Store, open_store

__all__ = ["similarity"]


def similarity(settings: SimilaritySettings) -> pd.DataFrame:
    """Compare every two features; write the table and a heat map for each kind of samples.

    Returns:
        What `similarity.csv` holds.

    Raises:
        SettingsError: Fewer than two features were named, or one that is not pooled.
        InputError: Too few utterances have all of them.
    """
    if settings.out is not None:
        require_own_folder(settings.out, SIMILARITY.file)
    store = open_store(settings.store, check=settings.check)
    features = pooled_features(store, settings.features, least=2)
    with one_thread():
        table = similarity_table(
            store,
            features,
            frames_per_utterance=settings.frames_per_utterance,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )
    if settings.out is not None:
        _write(table, settings.out, settings, store, features)
    return table


def _write(
    table: pd.DataFrame,
    out: Path,
    settings: SimilaritySettings,
    store: Store,
    features: Sequence[str],
) -> None:
    from tokser.report.similarity_figure import similarity_figures

    figures = similarity_figures(table, store.dataset)
    files = {f"{name}.svg": drawing.render("svg") for name, drawing in figures.items()}
    files[SIMILARITY.file] = SIMILARITY.content(table)
    write_study(out, files, command="similarity", settings=settings, store=store, features=features)
