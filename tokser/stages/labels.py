"""Which labels of a corpus are doubtful."""

from pathlib import Path

from tokser.config import LabelsSettings
from tokser.experiments.doubtful_labels.audit import LabelAudit
from tokser.experiments.doubtful_labels.confident import require_cleanlab
from tokser.experiments.doubtful_labels.gather import gather_evidence, open_store_of
from tokser.experiments.doubtful_labels.table import DOUBTFUL, LABEL_NOISE
from tokser.experiments.pooled_features import require_own_folder
from tokser.experiments.study_folder import write_study
from tokser.stages.embed_recordings import embed_recordings, file_of
from tokser.store import Store

__all__ = ["labels"]


def labels(settings: LabelsSettings) -> LabelAudit:
    """Rank labels by how little supports them; write tables, and a page to hear and decide.

    Returns:
        What `doubtful.csv` and `label-noise.csv` hold.

    Raises:
        MissingPackageError: cleanlab is not installed.
        SettingsError: A feature, configuration or folder is not what it should be.
        StoreMismatchError: Results were made from another store, or from other labels.
        InputError: Too few classes, speakers or neighbours.
    """
    require_cleanlab()
    if settings.out is not None:
        require_own_folder(settings.out, DOUBTFUL.file)
    store = open_store_of(settings)
    audit = gather_evidence(store, settings)
    if settings.out is not None:
        _write(audit, store, settings, settings.out)
    return audit


def _write(audit: LabelAudit, store: Store, settings: LabelsSettings, out: Path) -> None:
    from tokser.report.doubtful_page import doubtful_page

    root = settings.root or Path(store.attributes.root)
    shown = audit.doubtful.head(settings.listed)
    utterances = store.utterances
    recordings = embed_recordings(root, utterances, list(shown["id"].head(settings.audio)))
    rows = utterances.loc[shown["id"]].to_dict("index")
    page = doubtful_page(
        audit,
        shown,
        title=store.dataset,
        root=root,
        files={name: file_of(row) for name, row in rows.items()},
        said={name: row["transcript"] for name, row in rows.items()},
        recordings=recordings,
    )
    files = {
        DOUBTFUL.file: DOUBTFUL.content(audit.doubtful),
        LABEL_NOISE.file: LABEL_NOISE.content(audit.noise),
        "doubtful.html": page.encode(),
    }
    features = audit.features
    write_study(out, files, command="labels", settings=settings, store=store, features=features)
