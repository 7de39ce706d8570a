"""The matrix of corpora: train on each, test on each, with the engine of every experiment."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tokser.config.transfer import TransferSettings
from tokser.experiments.classification import Classification
from tokser.experiments.dataset import Dataset, having_all, read_expressions
from tokser.experiments.experiment import run_experiment
from tokser.experiments.feature_expressions import Early, Late
from tokser.experiments.heads.head import Workers
from tokser.experiments.joined_store import JoinedStore, open_stores
from tokser.experiments.results import CLASSIFICATION, LABELS, TRANSFER, Table
from tokser.experiments.splits.plans import audit_plans, warn_of_untrained_classes
from tokser.experiments.splits.sharing import used_ids
from tokser.experiments.transfer.common_classes import ClassRow, common_classes
from tokser.experiments.transfer.label_maps import LabelMap, read_label_map
from tokser.experiments.transfer.plans import Cell, plan_matrix
from tokser.provenance import digest_of

__all__ = ["run_transfer"]


def run_transfer(
    settings: TransferSettings, workers: AbstractContextManager[Workers | None] | None = None
) -> Path:
    """Score every feature expression and head in every cell of the matrix of corpora.

    What dev selects (layer, grid point, epoch) it selects on the training corpora; the test corpus
    is predicted once.

    Args:
        settings: Stores, label map, features, heads.
        workers: Processes that networks are trained by.

    Returns:
        The output folder: what `run_experiment` writes, `transfer.csv` and `labels.csv`.

    Raises:
        StoreMismatchError: Features were not made in the same way in all stores.
        InputError: The corpora have no two classes in common, a store is named twice, or a setting
            or a label map is wrong.
    """
    task = Classification()
    labels = None if settings.label_map is None else read_label_map(settings.label_map)
    store = open_stores(settings.store, settings.dataset, check=settings.check)
    assert isinstance(store, JoinedStore)  # two stores at least
    dataset, cells, classes = _load(store, task, settings, labels)

    def more_files(rows: Mapping[Table, Sequence[Mapping[str, Any]]]) -> Mapping[str, bytes]:
        assert CLASSIFICATION.summary is not None
        matrix = matrix_rows(rows[CLASSIFICATION.summary], cells, dataset)
        return {
            TRANSFER.file: TRANSFER.content_of(matrix),
            LABELS.file: LABELS.content_of(classes),
        }

    return run_experiment(
        task,
        settings,
        settings.heads,
        workers,
        dataset,
        command="transfer",
        inputs={"labels": digest_of(classes)},
        more_files=more_files,
    )


def _load(
    store: JoinedStore, task: Classification, settings: TransferSettings, labels: LabelMap | None
) -> tuple[Dataset, list[Cell], list[ClassRow]]:
    """Check classes and features, and plan the cells."""
    expressions = read_expressions(store, task, settings)
    trained = tuple(e for e in expressions if isinstance(e, Early))
    known, classes = common_classes(store.utterances, labels)
    kept = having_all(store, known, trained)
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    plans, cells = plan_matrix(kept, task, seeds)
    warn_of_untrained_classes(plans, kept["label"])
    folds = [split for plan in plans.values() for split in plan.every_fold()]
    kept = kept[kept.index.isin(used_ids(folds, set(kept.index)))]
    named = " + ".join(map(str, expressions))
    audits = audit_plans(plans, kept, store, task, named=named)
    combined = tuple(e for e in expressions if isinstance(e, Late))
    by_corpus = settings.standardise_by == "corpus"
    dataset = Dataset(task, store, kept, trained, combined, plans, audits, False, by_corpus)
    return dataset, cells, classes


def matrix_rows(
    summary: Sequence[Mapping[str, Any]], cells: Sequence[Cell], dataset: Dataset
) -> list[dict[str, Any]]:
    """Return the rows of the matrix: those of the summary, with who was trained and tested.

    Args:
        summary: A row for each configuration and protocol.
        cells: The cells of the matrix.
        dataset: Folds by protocol.
    """
    by_protocol = {cell.protocol: cell for cell in cells}
    found = []
    for row in summary:
        cell = by_protocol[row["protocol"]]
        folds = dataset.plans[cell.protocol].every_fold()
        sizes = {
            f"num_{part}": round(sum(len(getattr(s, part)) for s in folds) / len(folds))
            for part in ("train", "dev")
        }
        train = " ".join(cell.train)
        found.append({**row, "train": train, "test": cell.test, "kind": cell.kind, **sizes})
    return found
