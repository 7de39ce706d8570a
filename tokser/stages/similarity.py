"""How alike the features of a store are."""

from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import SimilaritySettings
from tokser.errors import SettingsError, list_some
from tokser.experiments.similarity.measure import similarity_table
from tokser.experiments.similarity.table import SIMILARITY
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
        _require_own(settings.out)
    store = open_store(settings.store, check=settings.check)
    features = _features(store, settings)
    table = similarity_table(
        store,
        features,
        frames_per_utterance=settings.frames_per_utterance,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )
    if settings.out is not None:
        _write(table, settings.out, title=store.dataset)
    return table


def _write(table: pd.DataFrame, out: Path, *, title: str) -> None:
    from tokser.report.similarity_figure import similarity_figures

    figures = similarity_figures(table, title)
    files = {f"{name}.svg": drawing.render("svg") for name, drawing in figures.items()}
    ChecksummedFolder(out).put({SIMILARITY.file: SIMILARITY.content(table)} | files)


def _require_own(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / SIMILARITY.file).exists():
        raise SettingsError(
            f"--out {out}",
            expected="a new folder, or one of an earlier comparison",
            got="a folder with other files",
            remedy="Name another folder.",
        )


def _features(store: Store, settings: SimilaritySettings) -> tuple[str, ...]:
    known = store.pooled
    wanted = settings.features or tuple(known)
    found = dict.fromkeys(
        name for pattern in wanted for name in known if fnmatchcase(name, pattern)
    )
    lost = [one for one in wanted if not any(fnmatchcase(name, one) for name in known)]
    if lost or len(found) < 2:
        raise SettingsError(
            f"--features, {store.path}",
            expected=f"at least two of {list_some(known, most=20) or 'none: nothing is pooled'}",
            got=list_some(lost or list(found)) or "none",
            remedy=f"Name others, or pool them: `tokser pool --store {store.path}`.",
        )
    return tuple(found)
