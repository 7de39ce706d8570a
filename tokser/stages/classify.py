"""Stage 5: grids of classifiers on the functionals of a store, under several protocols."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from tokser.classify.audit import Audit, audit_splits
from tokser.classify.ledger import Ledger
from tokser.classify.metrics import score
from tokser.classify.protocols import Split, make_splits
from tokser.classify.search import Found, num_models, search_logreg, search_mlp
from tokser.config import ClassifySettings
from tokser.device import resolve_device
from tokser.errors import InputError, SettingsError, StoreMismatchError, list_some
from tokser.progress import progress_bar, say
from tokser.provenance import Stamp, digest_of, write_atomically
from tokser.store import Store, open_store

__all__ = ["classify"]

RESULT_COLUMNS = (
    "dataset",
    "features",
    "protocol",
    "classifier",
    "uar",
    "uar_std",
    "accuracy",
    "macro_f1",
    "weighted_f1",
    "n_test",
    "num_folds",
    "leaks",
    "seed",
)


def classify(settings: ClassifySettings) -> Path:
    """Score every feature under every protocol with every classifier.

    Finished units are kept in `parts/`, so the same call goes on where it was stopped.

    Returns:
        The output folder: `results.csv`, `predictions.parquet`, `grid.csv`, `splits.json`,
        `audit.json`, `ledger.jsonl`, and `provenance.json` last.

    Raises:
        StoreMismatchError: The store holds another dataset.
        SettingsError: A feature is unknown or not pooled, or `out` holds other results.
        InputError: Labels or functionals are not fit for training.
    """
    store = open_store(settings.store)
    features = _choose_features(store, settings)
    stamp = Stamp(
        "classify",
        settings.model_dump(mode="json"),
        {feature: store.identity(feature) for feature in features},
    )
    if stamp.marks(settings.out):
        say(f"classify: already in {settings.out}")
        return settings.out
    device = resolve_device(settings.device)
    data = _load(store, features)
    splits: dict[str, list[Split]] = {
        protocol: make_splits(protocol, data.utterances, seed=settings.seed)
        for protocol in settings.protocols
    }
    audits: dict[str, Audit] = {
        protocol: audit_splits(folds, data.utterances) for protocol, folds in splits.items()
    }
    units = [
        _Unit(feature, protocol, classifier)
        for feature in features
        for protocol in splits
        for classifier in dict.fromkeys(settings.classifiers)
    ]
    with stamp.claim(settings.out):
        _run_units(units, settings, data, splits, device)
        _assemble(units, settings, splits, audits)
        stamp.write(settings.out)
    return settings.out


class _Unit(NamedTuple):
    """What is trained, scored and kept together."""

    features: str
    protocol: str
    classifier: str

    def part_files(self, out: Path) -> tuple[Path, Path]:
        """Where predictions and trials are kept; the predictions, written last, mark it done."""
        name = digest_of(list(self))[:16]
        return out / "parts" / f"{name}.parquet", out / "parts" / f"{name}.trials.parquet"


@dataclass(frozen=True)
class _Data:
    """Labelled utterances that every feature has, and their functionals, joined by id."""

    utterances: pd.DataFrame
    functionals: dict[str, pd.DataFrame]


def _choose_features(store: Store, settings: ClassifySettings) -> list[str]:
    if store.dataset != settings.dataset:
        raise StoreMismatchError(
            store.path,
            expected=f"a store of {settings.dataset}",
            got=f"one of {store.dataset}",
            remedy=f"Name the dataset {store.dataset}, or another store.",
        )
    missing = [feature for feature in settings.features if feature not in store.pooled]
    if missing or not store.pooled:
        raise SettingsError(
            store.path,
            expected=f"pooled features; it has {list_some(store.pooled, most=20) or 'none'}",
            got=list_some(missing, most=20) or "none",
            remedy=f"Run `tokser pool --store {store.path}`, or name features that are pooled.",
        )
    return list(dict.fromkeys(settings.features)) or store.pooled


def _load(store: Store, features: Sequence[str]) -> _Data:
    tables = {feature: store.functionals(feature) for feature in features}
    kept = store.utterances.index
    for table in tables.values():
        kept = kept.intersection(table.index)
    if len(kept) < len(store.utterances):
        lost = store.utterances.index.difference(kept)
        say(f"{len(lost)} utterances lack a feature and are left out: {list_some(list(lost))}")
    for feature, table in tables.items():
        broken = list(table.index[~np.isfinite(table.to_numpy()).all(axis=1)])
        if broken:
            raise InputError(
                f"{store.path}, {feature}",
                expected="finite functionals",
                got=f"NaN or infinity for {list_some(broken)}",
                remedy="Run `tokser store verify`, then pool again.",
            )
    return _Data(
        store.utterances.loc[kept], {name: table.loc[kept] for name, table in tables.items()}
    )


def _run_units(
    units: Sequence[_Unit],
    settings: ClassifySettings,
    data: _Data,
    splits: Mapping[str, Sequence[Split]],
    device: torch.device,
) -> None:
    """Run what is not in `parts/` yet, with a bar that counts models."""
    pending = [unit for unit in units if not unit.part_files(settings.out)[0].is_file()]
    total = sum(
        num_models(splits[unit.protocol], settings.grid)
        if unit.classifier == "mlp"
        else len(splits[unit.protocol])
        for unit in pending
    )
    with progress_bar(f"classify {settings.dataset}", total=total, unit="models") as bar:
        for unit in pending:
            found = _run_unit(unit, settings, data, splits[unit.protocol], device, bar.advance)
            predictions_file, trials_file = unit.part_files(settings.out)
            write_atomically(trials_file, _parquet(found.trials))
            write_atomically(predictions_file, _parquet(found.predictions))


def _run_unit(
    unit: _Unit,
    settings: ClassifySettings,
    data: _Data,
    splits: Sequence[Split],
    device: torch.device,
    on_models: Callable[[int], None],
) -> Found:
    ledger = Ledger(settings.out / "ledger.jsonl")

    def before_test(split: Split, chosen: dict[str, float]) -> None:
        ledger.record(split, dataset=settings.dataset, **unit._asdict(), configuration=chosen)

    functionals, labels = data.functionals[unit.features], data.utterances["label"]
    if unit.classifier == "logreg":
        return search_logreg(
            functionals, labels, splits, on_models=on_models, before_test=before_test
        )
    return search_mlp(
        functionals,
        labels,
        splits,
        settings.grid,
        seed=settings.seed,
        device=device,
        on_models=on_models,
        before_test=before_test,
    )


def _assemble(
    units: Sequence[_Unit],
    settings: ClassifySettings,
    splits: Mapping[str, Sequence[Split]],
    audits: Mapping[str, Audit],
) -> None:
    """Join the parts into the files that users read."""
    rows, predictions, trials = [], [], []
    for unit in units:
        found, tried = (pd.read_parquet(file) for file in unit.part_files(settings.out))
        key = unit._asdict()
        predictions.append(found.assign(**key))
        trials.append(tried.assign(dataset=settings.dataset, **key))
        rows.append(
            {"dataset": settings.dataset, **key, "seed": settings.seed}
            | {"leaks": " ".join(audits[unit.protocol].leaks)}
            | _mean_scores(found)
        )
    out = settings.out
    write_atomically(
        out / "splits.json", _json({p: [vars(s) for s in f] for p, f in splits.items()})
    )
    write_atomically(out / "audit.json", _json({p: a.to_json() for p, a in audits.items()}))
    write_atomically(out / "grid.csv", _csv(_ordered(pd.concat(trials))))
    write_atomically(out / "predictions.parquet", _parquet(_ordered(pd.concat(predictions))))
    write_atomically(out / "results.csv", _csv(pd.DataFrame(rows)[list(RESULT_COLUMNS)]))


def _mean_scores(predictions: pd.DataFrame) -> dict[str, Any]:
    """Average the scores over folds."""
    folds = [
        score(part["label"].tolist(), part["prediction"].tolist())
        for _, part in predictions.groupby("fold", sort=True)
    ]
    table = pd.DataFrame([vars(fold) for fold in folds])
    means: dict[str, Any] = table[["uar", "accuracy", "macro_f1", "weighted_f1"]].mean().to_dict()
    spread = float(table["uar"].std(ddof=1)) if len(folds) > 1 else None
    return means | {
        "uar_std": spread,
        "n_test": int(table["num_test"].sum()),
        "num_folds": len(folds),
    }


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Put the columns that say what a row is in front."""
    keys = ["dataset", "id", "features", "protocol", "classifier", "fold"]
    front = [key for key in keys if key in table]
    return table[front + [column for column in table if column not in front]]


def _csv(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index=False, lineterminator="\n")).encode()


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


def _parquet(table: pd.DataFrame) -> bytes:
    return bytes(table.to_parquet(index=False))
