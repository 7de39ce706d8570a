"""Output folders of `tokser classify`, `regress` and `pretrain`, written without running them."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tokser.checksummed_folder import ChecksummedFolder
from tokser.experiments.probing.table import PROBES
from tokser.experiments.similarity.table import SIMILARITY
from tokser.experiments.statistics.metrics import ccc
from tokser.report.inputs import read_inputs
from tokser.report.merge import merge_scores

EMOTIONS = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
AUDIT = {
    "random": {
        "leaks": ["speakers", "sentences"],
        "stamp": "LEAKS SPEAKERS",
        "shared": {"speakers": 10, "sessions": 0, "sentences": 10},
        "missing_classes": [],
        "num_test": 54,
        "smallest_test": 54,
        "points_per_error": 100 / 54,
    },
    "speaker": {
        "leaks": ["sentences"],
        "stamp": "",
        "shared": {"speakers": 0, "sessions": 0, "sentences": 10},
        "missing_classes": ["03 test: disgust"],
        "num_test": 535,
        "smallest_test": 35,
        "points_per_error": 100 / 35,
    },
}


class Folders:
    """Writes folders in the formats that the report reads."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def results(
        self,
        name: str = "emodb",
        *,
        features: Sequence[str] = ("whisper-base/layer-2", "whisper-base/layer-10"),
        protocols: Sequence[str] = ("random", "speaker"),
        classifiers: Sequence[str] = ("mlp",),
        dataset: str = "emodb",
        seed: int = 0,
        labels: Sequence[str] = EMOTIONS,
    ) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True)
        rng = np.random.default_rng(len(features) + seed)
        scores, predictions, confusion, grid = [], [], [], []
        for position, feature in enumerate(features):
            for protocol in protocols:
                for classifier in classifiers:
                    key = {"features": feature, "protocol": protocol, "classifier": classifier}
                    hit = 0.55 + 0.35 * (position + 1) / len(features)
                    hit += 0.04 * (protocol == "random")
                    made = self._predictions(rng, hit, key, labels)
                    predictions.append(made)
                    confusion.append(self._confusion(made, key, dataset, labels))
                    scores.append(self._score(made, key, dataset, seed))
                    grid += self._grid(hit, key, dataset)
        pd.DataFrame(scores).to_csv(folder / "results.csv", index=False)
        self._summary(scores, seed).to_csv(folder / "summary.csv", index=False)
        self._comparisons(scores).to_csv(folder / "comparisons.csv", index=False)
        self._choices(scores, features).to_csv(folder / "choices.csv", index=False)
        pd.concat(confusion).to_csv(folder / "confusion.csv", index=False)
        pd.concat(predictions).to_parquet(folder / "predictions.parquet", index=False)
        pd.DataFrame(grid).to_csv(folder / "grid.csv", index=False)
        audit = {protocol: AUDIT[protocol] for protocol in protocols}
        (folder / "audit.json").write_text(json.dumps(audit))
        (folder / "ledger.jsonl").write_text("".join(self._evaluations(scores)))
        settings = {
            "dataset": dataset,
            "store": "stores/emodb.zarr",
            "out": str(folder),
            "features": list(features),
            "protocols": list(protocols),
            "seed": seed,
        }
        self._provenance(folder, "classify", settings)
        return folder

    def _predictions(self, rng, hit, key, labels) -> pd.DataFrame:
        num = 54 if key["protocol"] == "random" else 535
        truth = rng.choice(labels, size=num)
        guess = np.where(rng.random(num) < hit, truth, rng.choice(labels, size=num))
        table = pd.DataFrame({"id": [f"utt{i:03d}" for i in range(num)]}).assign(**key)
        table["fold"] = 0 if num == 54 else np.arange(num) % 10
        table["label"], table["prediction"] = truth, guess
        return table.assign(**{f"probability_{label}": 1 / len(labels) for label in labels})

    def _confusion(self, predictions, key, dataset, labels) -> pd.DataFrame:
        counts = pd.crosstab(predictions["label"], predictions["prediction"])
        counts = counts.reindex(index=sorted(labels), columns=sorted(labels), fill_value=0)
        table = counts.stack().rename("count").reset_index()
        return table.assign(dataset=dataset, **key, setup="", num_seeds=1)

    def _score(self, predictions, key, dataset, seed) -> dict[str, object]:
        hits = predictions["label"] == predictions["prediction"]
        uar = hits.groupby(predictions["label"]).mean().mean()
        leaky = key["protocol"] == "random"
        return {
            "dataset": dataset,
            **key,
            "setup": "",
            "uar": uar,
            "uar_chance": 1 / predictions["label"].nunique(),
            "accuracy": hits.mean(),
            "macro_f1": uar - 0.004,
            "weighted_f1": uar - 0.002,
            "num_candidates": 3 if key["features"].startswith("best(") else 1,
            "n_test": len(predictions),
            "num_folds": 1 if leaky else 10,
            "leaks": "speakers sentences" if leaky else "sentences",
            "seed": seed,
        }

    def _summary(self, scores, seed) -> pd.DataFrame:
        table = pd.DataFrame(scores).drop(columns="seed")
        spread = {"uar_low": table["uar"] - 0.03, "uar_high": (table["uar"] + 0.02).clip(upper=1)}
        table = table.assign(**spread, dev_uar=table["uar"], uar_seed_std="")
        stamps = np.where(table["protocol"] == "random", "LEAKS SPEAKERS", "")
        return table.assign(seeds=str(seed), num_seeds=1, num_units=10, stamp=stamps)

    def _comparisons(self, scores) -> pd.DataFrame:
        columns = ["dataset", "protocol", "classifier", "setup", "first", "second"]
        columns += ["difference", "low", "high", "p", "p_adjusted", "no_test", "unit"]
        columns += ["num_units", "stamp"]
        rows = []
        for a, b in itertools.combinations(scores, 2):
            if (a["protocol"], a["classifier"]) == (b["protocol"], b["classifier"]):
                difference = a["uar"] - b["uar"]
                key = [a["dataset"], a["protocol"], a["classifier"], "", a["features"]]
                ends = [difference - 0.02, difference + 0.03, 0.002, 0.012, "", "speaker", 10, ""]
                rows.append([*key, b["features"], difference, *ends])
        return pd.DataFrame(rows, columns=columns)

    def _choices(self, scores, features) -> pd.DataFrame:
        """Every choice takes the plain features in turn, the last one most often."""
        plain = [name for name in features if not name.startswith("best(")]
        keys = ("dataset", "features", "protocol", "classifier", "setup", "seed")
        rows = [
            {k: row[k] for k in keys}
            | {"fold": str(fold), "chosen": plain[-1 if fold > 2 else fold % len(plain)]}
            | {"chosen_classifier": row["classifier"], "dev_uar": 0.8, "stamp": ""}
            for row in scores
            if row["num_candidates"] > 1
            for fold in range(row["num_folds"])
        ]
        columns = [*keys, "fold", "chosen", "chosen_classifier", "dev_uar", "stamp"]
        return pd.DataFrame(rows, columns=columns)

    def _evaluations(self, scores) -> list[str]:
        names = ("dataset", "features", "protocol", "classifier", "seed")
        return [
            json.dumps({"when": "2025-08-01T12:00:00", "fold": str(f)} | {k: row[k] for k in names})
            + "\n"
            for row in scores
            for f in range(row["num_folds"])
        ]

    def _grid(self, hit, key, dataset) -> list[dict[str, object]]:
        point = {"dataset": dataset, **key, "batch_size": 32, "best_epoch": 12}
        return [
            point | {"fold": f, "learning_rate": rate, "dev_uar": hit - rate, "selected": best}
            for f in range(2)
            for rate, best in ((1e-3, True), (5e-3, False))
        ]

    def regression(
        self,
        name: str = "iemocap-dimensional",
        *,
        features: Sequence[str] = ("whisper-base/layer-2", "whisper-base/layer-10"),
        protocols: Sequence[str] = ("random", "speaker"),
        targets: Sequence[str] = ("valence", "arousal"),
    ) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True)
        rng = np.random.default_rng(len(features))
        scores, predictions = [], []
        for position, feature in enumerate(features):
            for protocol, target in itertools.product(protocols, targets):
                key = {"features": feature, "protocol": protocol, "target": target}
                key |= {"regressor": "ridge", "seed": 0}
                made = self._numbers(rng, 0.3 + 0.5 * position / len(features), key)
                predictions.append(made)
                scores.append(self._agreement(made, key))
        pd.DataFrame(scores).to_csv(folder / "regression.csv", index=False)
        comparisons = [
            {k: a[k] for k in ("dataset", "protocol", "target", "regressor", "setup")}
            | {"first": a["features"], "second": b["features"], "difference": a["ccc"] - b["ccc"]}
            | {"low": -0.3, "high": 0.1, "p": 0.002, "p_adjusted": 0.012, "no_test": ""}
            | {"unit": "speaker", "num_units": 10}
            for a, b in itertools.combinations(scores, 2)
            if (a["protocol"], a["target"]) == (b["protocol"], b["target"])
        ]
        pd.DataFrame(comparisons).to_csv(folder / "comparisons.csv", index=False)
        pd.concat(predictions).to_parquet(folder / "predictions.parquet", index=False)
        (folder / "audit.json").write_text(json.dumps({p: AUDIT[p] for p in protocols}))
        names = ("dataset", "features", "protocol", "target", "regressor", "seed")
        lines = [json.dumps({"fold": "1"} | {k: row[k] for k in names}) + "\n" for row in scores]
        (folder / "ledger.jsonl").write_text("".join(lines))
        settings = {"dataset": "iemocap", "store": "stores/iemocap.zarr", "out": str(folder)}
        self._provenance(folder, "regress", settings | {"targets": list(targets)})
        return folder

    def _numbers(self, rng, slope, key) -> pd.DataFrame:
        num = 54 if key["protocol"] == "random" else 535
        truth = rng.integers(2, 11, size=num) / 2
        guess = 3 + slope * (truth - 3) + rng.normal(scale=0.3, size=num)
        table = pd.DataFrame({"id": [f"utt{i:03d}" for i in range(num)]}).assign(**key)
        return table.assign(fold=1, truth=truth, prediction=guess)

    def _agreement(self, predictions, key) -> dict[str, object]:
        concordance = ccc(predictions["truth"].to_numpy(), predictions["prediction"].to_numpy())
        leaky = key["protocol"] == "random"
        return {
            "dataset": "iemocap",
            "setup": "",
            **key,
            "ccc": concordance,
            "num_candidates": 1,
            "ccc_low": concordance - 0.05,
            "ccc_high": concordance + 0.04,
            "pearson": predictions["truth"].corr(predictions["prediction"]),
            "rmse": 0.71,
            "n_test": len(predictions),
            "num_folds": 1 if leaky else 5,
            "num_units": 10,
            "leaks": "speakers" if leaky else "",
            "stamp": "LEAKS SPEAKERS" if leaky else "",
        }

    def run(self, name: str = "demo", *, text: str = "bert-base-uncased/contextual") -> Path:
        folder = self.root / "runs" / name
        folder.mkdir(parents=True)
        epochs = np.arange(11)
        rise = 1 - np.exp(-epochs / 3)
        table = pd.DataFrame({"epoch": epochs, "train_loss": 0.5 - 0.3 * rise})
        table.loc[0, "train_loss"] = np.nan
        table["dev_match_rate"] = 0.002 + 0.31 * rise
        table["dev_match_rate_mismatched"] = 0.002 + 0.09 * rise
        table["speech_gain"] = table["dev_match_rate"] - table["dev_match_rate_mismatched"]
        table["dev_match_rate_within"] = 0.04 + 0.6 * rise
        table["dev_mrr"] = 0.01 + 0.4 * rise
        table["dev_recall_at_5"] = 0.01 + 0.5 * rise
        table["dev_chance"] = 1 / 5_700
        table.to_csv(folder / "metrics.csv", index=False)
        settings = {
            "store": "stores/librispeech.zarr",
            "out": str(folder),
            "speech": "whisper-base/layer-6",
            "text": text,
            "temperature": 0.07,
            "batch_size": 64,
            "learning_rate": 1e-4,
            "seed": 0,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        self._provenance(folder, "pretrain", settings)
        return folder

    def probes(
        self,
        name: str = "probes",
        *,
        targets: Sequence[str] = ("emotion", "duration"),
        num_layers: int = 3,
        encoder: str = "whisper-base/layer-",
    ) -> Path:
        folder = self.root / name
        rows = [
            {"target": target, "feature": f"{encoder}{layer}", "metric": metric}
            | {"score": 0.5 + layer / (4 * num_layers), "low": 0.45, "high": 0.95, "control": 0.1}
            | {"selectivity": 0.4, "n": 535, "num_groups": 10, "grouped_by": "speaker"}
            | {"num_classes": 7 if metric == "uar" else None}
            for target, metric in zip(targets, ("uar", "ccc"), strict=True)
            for layer in range(num_layers)
        ]
        made_by = {"stage": "probe", "settings": {"store": "stores/emodb.zarr", "seed": 3}}
        made_by |= {"inputs": {"dataset": "emodb"}, "versions": {"torch": "2.11"}}
        files = {"provenance.json": json.dumps(made_by).encode()}
        files[PROBES.file] = PROBES.content(PROBES.frame(rows))
        ChecksummedFolder(folder).put(files)
        return folder

    def similarity(self, name: str = "alike") -> Path:
        folder = self.root / name
        names = [f"whisper-base/layer-{layer}" for layer in range(3)]
        rows = [
            {"over": over, "first": a, "second": b, "cka": 1 - abs(i - j) / 4, "r2": 0.1 * i}
            | {"num_samples": 535}
            for over in ("utterances", "frames")
            for i, a in enumerate(names)
            for j, b in enumerate(names)
        ]
        ChecksummedFolder(folder).put({SIMILARITY.file: SIMILARITY.content(SIMILARITY.frame(rows))})
        return folder

    def _provenance(self, folder: Path, stage: str, settings: dict[str, object]) -> None:
        content = {
            "stage": stage,
            "settings": settings,
            "inputs": {"store": "sha256:5b1f"},
            "versions": {"python": "3.11.9", "tokser": "0.1.0", "torch": "2.11.0"},
        }
        (folder / "provenance.json").write_text(json.dumps(content))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture(scope="session")
def make_folders(tmp_path_factory) -> Callable[[], Folders]:
    """Makes folders that live longer than one test."""
    return lambda: Folders(tmp_path_factory.mktemp("folders"))


def scores_of(*folders: Path, target: str = "") -> pd.DataFrame:
    """Return the merged scores of folders of one task, for one target."""
    read = read_inputs(folders).experiments
    merged = merge_scores([one.folder for one in read], [one.scores for one in read])
    return merged[merged["target"] == target]


class Explorable:
    """A corpus of 48 short recordings with its store and its results, on disk.

    Attributes:
        store: The store; layer 1 knows the label, layer 2 is noise.
        results: Output folder of `tokser classify` over both layers.
        root: Folder of the corpus.
        odd: An id that a page must escape.
    """

    odd = "</script><b>'\"&"

    def __init__(self, folder: Path, factory, write_wav) -> None:
        import tokser

        self.root = folder
        table = factory.manifest(48).assign(num_samples=8_000)
        table.index = pd.Index([self.odd, *table.index[1:]], name="id")
        labels, plain = sorted(table["label"].unique()), factory.rows

        def rows(plan, feature, position):
            found = plain(plan, feature, position).astype(np.float32)
            if feature == "layer-1":
                found[:, labels.index(table["label"].iloc[position])] += 0.7
            return found.astype(np.float16)

        factory.rows = rows
        plan = factory.plan(table, features={"layer-1": 8, "layer-2": 8})
        with factory.writer(table) as writer:
            factory.fill(writer.plan_group(plan), plan)
        for path in table["path"]:
            write_wav(folder / path)
        self.store = tokser.pool(factory.path)
        self.results = tokser.classify(
            self.store, heads="logreg", protocols="speaker", out=folder / "results"
        ).folder


@pytest.fixture(scope="session")
def explorable(tmp_path_factory, store_factory, write_wav) -> Explorable:
    folder = tmp_path_factory.mktemp("explorable")
    return Explorable(folder, store_factory(folder), write_wav)
