"""Stage 5: grids of classifiers on the functionals of a store, under several protocols."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

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
    stamp.claim(settings.out)
    data = _load(store, features)
    splits: dict[str, list[Split]] = {
        protocol: make_splits(protocol, data.utterances, seed=settings.seed)
        for protocol in settings.protocols
    }
    audits: dict[str, Audit] = {
        protocol: audit_splits(folds, data.utterances) for protocol, folds in splits.items()
    }
    _run_units(settings, data, splits)
    _assemble(settings, features, splits, audits)
    stamp.write(settings.out)
    return settings.out


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
    return list(settings.features) or store.pooled


def _load(store: Store, features: Sequence[str]) -> _Data:
    tables = {feature: store[feature].functionals() for feature in features}
    kept = store.utterances.index
    for table in tables.values():
        kept = kept.intersection(table.index)
    if len(kept) < len(store.utterances):
        lost = store.utterances.index.difference(kept)
        say(f"{len(lost)} utterances lack a feature and are left out: {list_some(list(lost))}")
    for feature, table in tables.items():
        broken = list(table.index[table.isna().any(axis=1)])
        if broken:
            raise InputError(
                f"{store.path}, {feature}",
                expected="finite functionals",
                got=f"NaN for {list_some(broken)}",
                remedy="Run `tokser store verify`, then pool again.",
            )
    return _Data(
        store.utterances.loc[kept], {name: table.loc[kept] for name, table in tables.items()}
    )


def _run_units(settings: ClassifySettings, data: _Data, splits: dict[str, list[Split]]) -> None:
    """Run what is not in `parts/` yet, with a bar that counts models."""
    units = [
        (feature, protocol, classifier)
        for feature in data.functionals
        for protocol in settings.protocols
        for classifier in settings.classifiers
    ]
    pending = [unit for unit in units if not _part_files(settings.out, unit)[0].is_file()]
    counts = {
        protocol: {"mlp": num_models(folds, settings.grid), "logreg": len(folds)}
        for protocol, folds in splits.items()
    }
    total = sum(counts[protocol][classifier] for _, protocol, classifier in pending)
    with progress_bar(f"classify {settings.dataset}", total=total, unit="models") as bar:
        for unit in pending:
            found = _run_unit(settings, data, unit, splits[unit[1]], bar.advance)
            predictions_file, trials_file = _part_files(settings.out, unit)
            write_atomically(trials_file, _parquet(found.trials))
            write_atomically(predictions_file, _parquet(found.predictions))


def _run_unit(
    settings: ClassifySettings,
    data: _Data,
    unit: tuple[str, str, str],
    splits: Sequence[Split],
    on_models: Callable[[int], None],
) -> Found:
    feature, protocol, classifier = unit
    ledger = Ledger(settings.out / "ledger.jsonl")

    def before_test(split: Split, chosen: dict[str, float]) -> None:
        ledger.record(
            split,
            dataset=settings.dataset,
            features=feature,
            protocol=protocol,
            classifier=classifier,
            configuration=chosen,
        )

    functionals, labels = data.functionals[feature], data.utterances["label"]
    if classifier == "logreg":
        return search_logreg(
            functionals, labels, splits, on_models=on_models, before_test=before_test
        )
    return search_mlp(
        functionals,
        labels,
        splits,
        settings.grid,
        seed=settings.seed,
        device=resolve_device(settings.device),
        on_models=on_models,
        before_test=before_test,
    )


def _part_files(out: Path, unit: tuple[str, str, str]) -> tuple[Path, Path]:
    name = digest_of(list(unit))[:16]
    return out / "parts" / f"{name}.parquet", out / "parts" / f"{name}.trials.parquet"


def _assemble(
    settings: ClassifySettings,
    features: Sequence[str],
    splits: dict[str, list[Split]],
    audits: dict[str, Audit],
) -> None:
    """Join the parts into the files that users read."""
    rows, predictions, trials = [], [], []
    for feature in features:
        for protocol in settings.protocols:
            for classifier in settings.classifiers:
                unit = (feature, protocol, classifier)
                key = {"features": feature, "protocol": protocol, "classifier": classifier}
                found, tried = (pd.read_parquet(f) for f in _part_files(settings.out, unit))
                predictions.append(found.assign(**key))
                trials.append(tried.assign(dataset=settings.dataset, **key))
                rows.append(
                    {"dataset": settings.dataset, **key, "seed": settings.seed}
                    | {"leaks": " ".join(audits[protocol].leaks)}
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
