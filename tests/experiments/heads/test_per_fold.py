import copy
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tokser.config import GridSettings
from tokser.experiments.classification import Classification
from tokser.experiments.heads import per_fold
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import Split, make_splits
from tokser.experiments.statistics.metrics import score
from tokser.experiments.training_data import TrainingData

GRID = GridSettings(batch_sizes=(4, 16), learning_rates=(1e-3, 1e-2), hidden=(8, 6), epochs=5)
CLASSES = ("anger", "neutral", "sadness")
BASELINES = ("logreg", "svm", "mlp-sklearn")


def search_baseline(name, functionals, labels, splits, grid, *, seed, rounding=None, **options):
    data = TrainingData(
        Classification(), functionals, labels, splits, grid, seed, rounding=rounding
    )
    return search(HEADS[name], data, **options)


class Corpus:
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        ids = pd.Index([f"utt{i:02d}" for i in range(60)], name="id")
        self.labels = pd.Series(rng.choice(CLASSES, 60, p=[0.6, 0.3, 0.1]), index=ids)
        centres = dict(zip(CLASSES, rng.normal(size=(3, 10)), strict=True))
        values = [centres[label] + rng.normal(size=10) for label in self.labels]
        self.functionals = pd.DataFrame(np.array(values, dtype=np.float32), index=ids)
        table = pd.DataFrame({"label": self.labels, "session": ""})
        self.splits = make_splits(
            "speaker", table.assign(speaker=[f"s{i % 4}" for i in range(60)]), seed=0
        )

    def search(self, classifier, grid=GRID, **kwargs):
        splits = kwargs.pop("splits", self.splits)
        return search_baseline(
            classifier, self.functionals, self.labels, splits, grid, seed=0, **kwargs
        )

    def part(self, ids):
        return self.functionals.loc[list(ids)].to_numpy(), self.labels.loc[list(ids)].to_numpy()


@pytest.fixture(scope="module")
def corpus():
    return Corpus()


def test_logistic_regression_is_that_of_scikit_learn(corpus):
    evaluated, counts = [], []
    found = corpus.search(
        "logreg",
        on_models=counts.append,
        before_test=lambda told: evaluated.extend((s.fold, chosen) for s, chosen in told),
    ).predictions.set_index("id")
    for split in corpus.splits:
        values, labels = corpus.part([*split.train, *split.dev])
        model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=5_000))
        wide = values.astype(np.float64)
        expected = model.fit(wide, labels).predict_proba(corpus.part(split.test)[0])
        mine = found.loc[list(split.test)].filter(like="probability_")
        np.testing.assert_allclose(mine, expected, atol=1e-4)
    assert evaluated == [(split.fold, {"C": 1.0}) for split in corpus.splits]
    assert counts == [1] * 8


@pytest.mark.parametrize("classifier", ["logreg", "svm"])
def test_the_number_of_threads_changes_no_bit(corpus, classifier, monkeypatch):
    found = []
    for number in (1, 3):
        monkeypatch.setattr(per_fold, "num_blas_threads", lambda number=number: number)
        found.append(corpus.search(classifier))
    pd.testing.assert_frame_equal(found[0].predictions, found[1].predictions, check_exact=True)
    pd.testing.assert_frame_equal(found[0].trials, found[1].trials, check_exact=True)


@pytest.mark.parametrize("classifier", BASELINES)
def test_two_classes_do(corpus, classifier):
    labels = corpus.labels.where(corpus.labels == "anger", "other")
    found = search_baseline(
        classifier, corpus.functionals, labels, corpus.splits[:1], GRID, seed=0
    ).predictions
    probabilities = found[["probability_anger", "probability_other"]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_the_svm_takes_the_cost_that_is_best_on_dev(corpus):
    found = corpus.search("svm")
    predictions = found.predictions.set_index("id")
    for split in corpus.splits:
        values, labels = corpus.part(split.train)
        dev_values, dev_labels = corpus.part(split.dev)
        uars = []
        for cost in (0.1, 1, 10, 100):
            model = make_pipeline(StandardScaler(), SVC(C=cost, break_ties=True)).fit(
                values, labels
            )
            uars.append(score(dev_labels.tolist(), model.predict(dev_values).tolist()).uar)
        best = (0.1, 1, 10, 100)[int(np.argmax(uars))]
        chosen = found.trials[(found.trials["fold"] == split.fold) & found.trials["selected"]]
        assert chosen["C"].tolist() == [best]
        values, labels = corpus.part([*split.train, *split.dev])
        model = make_pipeline(StandardScaler(), SVC(C=best, break_ties=True)).fit(values, labels)
        guesses = model.predict(corpus.part(split.test)[0])
        assert predictions.loc[list(split.test), "prediction"].tolist() == guesses.tolist()


@pytest.mark.parametrize("refit", [True, False])
def test_the_mlp_trains_as_fit_does_to_its_best_epoch(corpus, refit):
    grid = GRID.model_copy(update={"batch_sizes": (16,), "learning_rates": (1e-2,)})
    split = corpus.splits[0]
    found = corpus.search("mlp-sklearn", grid, splits=[split], refit=refit)
    told = {"hidden_layer_sizes": (8, 6), "batch_size": 16, "learning_rate_init": 1e-2, "alpha": 0}

    def train(ids):
        """Yield the model and its scaler after each epoch."""
        values, labels = corpus.part(ids)
        scaler = StandardScaler().fit(values)
        model = MLPClassifier(**told, random_state=0)
        for _ in range(5):
            model.partial_fit(scaler.transform(values).astype(np.float32), labels, classes=CLASSES)
            yield model, scaler

    dev_values, dev_labels = corpus.part(split.dev)
    guesses, models = [], []
    for model, scaler in train(split.train):
        guesses.append(model.predict(scaler.transform(dev_values).astype(np.float32)))
        models.append((copy.deepcopy(model), scaler))
    uars = [score(dev_labels.tolist(), guess.tolist()).uar for guess in guesses]
    (trial,) = found.trials.to_dict("records")
    best = int(np.argmax(uars))
    assert trial["best_epoch"] == best + 1
    assert trial["dev_uar"] == pytest.approx(max(uars))
    if refit:
        *_, (model, scaler) = islice(train([*split.train, *split.dev]), best + 1)
    else:
        model, scaler = models[best]
    test_values = scaler.transform(corpus.part(split.test)[0]).astype(np.float32)
    np.testing.assert_allclose(
        found.predictions.filter(like="probability_"), model.predict_proba(test_values), atol=1e-5
    )


def test_without_a_refit_dev_is_not_trained_on(corpus):
    split = corpus.splits[0]
    values, labels = corpus.part(split.train)
    test_values = corpus.part(split.test)[0]
    for name, model in (("logreg", LogisticRegression(max_iter=5_000)), ("svm", None)):
        counts = []
        found = corpus.search(name, splits=[split], refit=False, on_models=counts.append)
        (chosen,) = found.trials[found.trials["selected"]].to_dict("records")
        expected = make_pipeline(StandardScaler(), model or SVC(C=chosen["C"], break_ties=True))
        guesses = expected.fit(values, labels).predict(test_values)
        assert found.predictions["prediction"].tolist() == guesses.tolist()
        assert sum(counts) == len(found.trials) == HEADS[name].num_models(1, GRID, refit=False)


def test_the_svm_is_scored_by_halves_of_dev(corpus):
    found = corpus.search("svm")
    for split in corpus.splits:
        values, labels = corpus.part(split.train)
        dev_values, known = corpus.part(split.dev)
        in_turn = sorted(range(len(known)), key=lambda i: (known[i], split.dev[i]))
        half = np.zeros(len(known), dtype=int)
        half[in_turn[1::2]] = 1
        guesses = [
            make_pipeline(StandardScaler(), SVC(C=cost, break_ties=True))
            .fit(values, labels)
            .predict(dev_values)
            for cost in (0.1, 1, 10, 100)
        ]
        together = known.copy()
        for h in (0, 1):
            mine = half == h
            reached = [score(known[mine].tolist(), g[mine].tolist()).uar for g in guesses]
            together[~mine] = guesses[int(np.argmax(reached))][~mine]
        trials = found.trials[(found.trials["fold"] == split.fold) & found.trials["selected"]]
        expected = score(known.tolist(), together.tolist()).uar
        assert trials["dev_uar_crossfit"].tolist() == pytest.approx([expected])


@pytest.mark.parametrize("classifier", BASELINES)
def test_columns_that_only_rounding_varies_reach_no_model(corpus, classifier):
    first = corpus.splits[0]
    noisy = corpus.functionals.assign(noise=np.tile([-1.0, 1.0], 30).astype(np.float32))
    noisy.loc[list(first.test), "noise"] = 1e4
    errors = pd.DataFrame(0.0, index=noisy.index, columns=noisy.columns).assign(noise=1.01)
    found = search_baseline(
        classifier, noisy, corpus.labels, [first], GRID, seed=0, rounding=errors
    )
    assert (found.trials["num_constant"] == 1).all()
    if classifier != "mlp-sklearn":  # whose weights are drawn for so many columns
        plain = corpus.search(classifier, splits=[first]).predictions
        pd.testing.assert_frame_equal(found.predictions, plain, atol=1e-4)


def test_the_mlp_follows_its_seed_and_no_other(corpus):
    def probabilities(seed):
        found = search_baseline(
            "mlp-sklearn", corpus.functionals, corpus.labels, corpus.splits[:1], GRID, seed=seed
        )
        return found.predictions.filter(like="probability_").to_numpy()

    np.testing.assert_array_equal(probabilities(0), probabilities(0))
    assert not np.array_equal(probabilities(0), probabilities(1))


@pytest.mark.parametrize("classifier", BASELINES)
def test_class_weights_help_the_rare(corpus, classifier):
    # One linear point, so that only the weights differ.
    plain = GRID.model_copy(
        update={"batch_sizes": (16,), "learning_rates": (1e-3,), "hidden": (4,), "epochs": 3}
    )
    weighted = plain.model_copy(update={"class_weights": True})
    told = [
        corpus.search(classifier, grid).predictions["probability_sadness"].mean()
        for grid in (plain, weighted)
    ]
    assert told[1] > told[0]


@pytest.mark.slow
def test_early_stopping_ends_the_search_for_a_better_epoch(corpus):
    grid = GRID.model_copy(update={"epochs": 40, "early_stopping": 1})
    two = corpus.splits[:2]
    found = corpus.search("mlp-sklearn", grid, splits=two)
    endless = grid.model_copy(update={"early_stopping": None})
    long = corpus.search("mlp-sklearn", endless, splits=two)
    assert (found.trials["best_epoch"] <= long.trials["best_epoch"]).all()
    assert found.trials["best_epoch"].sum() < long.trials["best_epoch"].sum()


@pytest.mark.parametrize("classifier", BASELINES)
def test_a_class_that_training_lacks_gets_no_probability(corpus, classifier):
    sad = set(corpus.labels.index[corpus.labels == "sadness"])
    rest = sorted(set(corpus.labels.index) - sad)
    split = Split("x", tuple(rest[:30]), tuple(rest[30:40]), (*rest[40:], *sorted(sad)))
    found = corpus.search(classifier, splits=[split])
    assert (found.predictions["probability_sadness"] == 0).all()
    assert "sadness" in set(found.predictions["label"])
