"""What the features of a store know."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tokser.config import ProbeSettings
from tokser.experiments.pooled_features import pooled_features, require_own_folder
from tokser.experiments.probing.probe import probe_table
from tokser.experiments.probing.table import PROBES
from tokser.experiments.probing.targets import read_targets, usual_targets
from tokser.experiments.study_folder import write_study
from tokser.progress import progress_bar
from tokser.store import Store, open_store

__all__ = ["probe"]


def probe(settings: ProbeSettings) -> pd.DataFrame:
    """Predict targets from every feature; write the table and a figure for each target.

    Returns:
        What `probes.csv` holds.

    Raises:
        SettingsError: There is no such target, or a feature is not pooled.
        InputError: A target has too few values, speakers or sentences.
    """
    if settings.out is not None:
        require_own_folder(settings.out, PROBES.file)
    store = open_store(settings.store, check=settings.check)
    features = pooled_features(store, settings.features)
    targets = read_targets(store, settings.targets or usual_targets(store))
    with progress_bar("probe", total=len(features), unit="features") as bar:
        table = probe_table(
            store,
            features,
            targets,
            head=settings.head,
            seed=settings.seed,
            on_feature=lambda: bar.advance(1),
        )
    if settings.out is not None:
        _write(table, settings.out, settings, store, features)
    return table


def _write(
    table: pd.DataFrame, out: Path, settings: ProbeSettings, store: Store, features: Sequence[str]
) -> None:
    from tokser.report.probe_figure import probe_figures

    figures = probe_figures(table, store.dataset)
    files = {f"{name}.svg": drawing.render("svg") for name, drawing in figures.items()}
    files[PROBES.file] = PROBES.content(table)
    write_study(out, files, command="probe", settings=settings, store=store, features=features)
