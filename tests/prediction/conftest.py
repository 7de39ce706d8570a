"""Models that are fitted by hand on small stores."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from tokser.config import ExtractSettings, PoolSettings
from tokser.experiments.feature_expressions import Early, Term
from tokser.experiments.heads.logreg import TrainedLogistic
from tokser.experiments.heads.ridge import TrainedRidge
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.models import FeatureRecipe, Member, Model
from tokser.experiments.task import TargetScale
from tokser.functionals.standardise import Standardiser, standardise_by_speaker
from tokser.functionals.tables import read_functionals
from tokser.stages.extract import extract
from tokser.stages.pool import pool
from tokser.store import open_store


def term_of(text):
    feature, *functionals = text.split(":")
    return Term(feature, tuple(functionals) or ("mean", "std"))


def _fit_by_hand(store, *members, standardise="global", task="classification", aligners=None):
    """Fit a head on each sum of features ("a + b:max"), and average them."""
    about = store.utterances
    found = []
    for text in members:
        early = Early(tuple(term_of(part.strip()) for part in text.split("+")))
        tables = [read_functionals(store, t.feature, t.functionals) for t in early.terms]
        ids = tables[0].index
        for table in tables[1:]:
            ids = ids.intersection(table.index, sort=False)
        tables = [table.loc[ids] for table in tables]
        if standardise == "speaker":
            tables = [standardise_by_speaker(table, about["speaker"])[0] for table in tables]
        values = np.concatenate([table.to_numpy() for table in tables], axis=1)
        scaling = Standardiser.fit(values)
        if task == "regression":
            numbers = about.loc[ids, "num_samples"].to_numpy(np.float64)
            scale = TargetScale(float(numbers.mean()), float(numbers.std()))
            estimator = Ridge(alpha=10.0).fit(scaling.apply(values), scale.apply(numbers))
            fitted = FittedHead(TrainedRidge(estimator, ()), scaling, scale)
        else:
            labels = about.loc[ids, "label"].to_numpy(dtype=object)
            estimator = LogisticRegression(max_iter=5_000).fit(scaling.apply(values), labels)
            head = TrainedLogistic(estimator, tuple(sorted(set(about["label"]) - {""})))
            fitted = FittedHead(head, scaling)
        widths = tuple(table.shape[1] for table in tables)
        found.append(Member(early, widths, fitted, "ridge" if task == "regression" else "logreg"))
    terms = [term for member in found for term in member.features.terms]
    is_regression = task == "regression"
    return Model(
        task=task,
        target="duration" if is_regression else "label",
        dataset=store.dataset,
        features=", ".join(members),
        classes=() if is_regression else tuple(sorted(set(about["label"]) - {""})),
        members=tuple(found),
        how="mean" if len(found) > 1 else "single",
        weights=(),
        recipe=FeatureRecipe.of_store(store, terms, aligners=aligners),
        standardise=standardise,
    )


def _pooled_store(root, path, *encoders, functionals=(), **options):
    """Extract a corpus in EmoDB's layout in fp32, and pool it."""
    values = {"dataset": "emodb", "root": root, "store": str(path), "layers": "all"}
    extract(ExtractSettings(encoders=tuple(map(str, encoders)), **values | options))
    pool(PoolSettings(store=str(path), functionals=functionals))
    return open_store(path)


@pytest.fixture(scope="session")
def fit_by_hand():
    """Fit heads on features of a store, and make a model of them."""
    return _fit_by_hand


@pytest.fixture(scope="session")
def pooled_store():
    """Extract a corpus and pool it."""
    return _pooled_store


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, write_noise_emodb):
    """24 recordings of noise in EmoDB's layout, one of them broken."""
    root = tmp_path_factory.mktemp("corpus")
    write_noise_emodb(root)
    return root


@pytest.fixture(scope="module")
def whisper_store(corpus, tiny, tmp_path_factory, pooled_store):
    path = tmp_path_factory.mktemp("store") / "emodb.zarr"
    return pooled_store(corpus, path, tiny / "tiny-whisper", context="fit")


@pytest.fixture(scope="module")
def whisper_model(whisper_store, fit_by_hand):
    return fit_by_hand(whisper_store, "tiny-whisper/layer-1 + tiny-whisper/layer-2")
