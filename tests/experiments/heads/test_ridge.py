import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tokser.config import GridSettings
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.regression import Regression
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import make_splits
from tokser.experiments.statistics.metrics import ccc
from tokser.experiments.training_data import TrainingData

GRID = GridSettings(batch_sizes=(8,), learning_rates=(1e-2,), hidden=(8,), epochs=15)
PENALTIES = (1, 10, 100, 1_000, 10_000, 100_000)


def search_regressor(name, functionals, target, splits, grid, *, seed, **options):
    data = TrainingData(Regression(("valence",)), functionals, target, splits, grid, seed)
    return search(HEADS[name], data, **options)


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    ids = pd.Index([f"utt{i:02d}" for i in range(80)], name="id")
    values = rng.normal(size=(80, 12)).astype(np.float32)
    target = 3 + values[:, :3].sum(axis=1) * 0.4 + rng.normal(0, 0.3, 80)
    table = pd.DataFrame({"label": ["a", "b"] * 40, "session": ""}, index=ids)
    splits = make_splits("speaker", table.assign(speaker=[f"s{i % 4}" for i in range(80)]), seed=0)
    return pd.DataFrame(values, index=ids), pd.Series(target, index=ids), splits


@pytest.mark.parametrize("refit", [True, False])
def test_ridge_is_that_of_scikit_learn(corpus, refit):
    functionals, target, splits = corpus
    found = search_regressor("ridge", functionals, target, splits, GRID, seed=0, refit=refit)
    predictions = found.predictions.set_index("id")["prediction"]
    for split in splits:

        def part(ids):
            return functionals.loc[list(ids)].to_numpy(), target.loc[list(ids)].to_numpy()

        def fitted(ids, penalty):
            values, truth = part(ids)
            # The target's scale does not matter to ridge once its mean is taken out.
            return make_pipeline(StandardScaler(), Ridge(alpha=penalty)).fit(values, truth)

        dev_values, dev_truth = part(split.dev)
        guesses = [fitted(split.train, p).predict(dev_values) for p in PENALTIES]
        best = PENALTIES[int(np.argmax([ccc(dev_truth, guess) for guess in guesses]))]
        chosen = found.trials[(found.trials["fold"] == split.fold) & found.trials["selected"]]
        assert chosen["penalty"].tolist() == [best]
        known = [*split.train, *split.dev] if refit else split.train
        expected = fitted(known, best).predict(part(split.test)[0])
        np.testing.assert_allclose(predictions.loc[list(split.test)], expected, atol=1e-4)
        # By halves: ranked by the number itself, dealt in turn.
        half = np.argsort(np.argsort(dev_truth)) % 2
        together = np.empty(len(half))
        for h in (0, 1):
            reached = [ccc(dev_truth[half == h], guess[half == h]) for guess in guesses]
            together[half != h] = guesses[int(np.argmax(reached))][half != h]
        assert chosen["dev_ccc_crossfit"].tolist() == pytest.approx([ccc(dev_truth, together)])


def test_the_mlp_is_refitted_for_as_many_epochs(corpus):
    functionals, target, splits = corpus
    found = search_regressor("mlp-sklearn", functionals, target, splits[:1], GRID, seed=0)
    plain = search_regressor(
        "mlp-sklearn", functionals, target, splits[:1], GRID, seed=0, refit=False
    )
    pd.testing.assert_frame_equal(found.trials, plain.trials)
    split, (trial,) = splits[0], found.trials.to_dict("records")
    for result, known in ((plain, split.train), (found, [*split.train, *split.dev])):
        values, truth = functionals.loc[list(known)], target.loc[list(known)].to_numpy()
        scaler = StandardScaler().fit(values.to_numpy())
        model = MLPRegressor(
            hidden_layer_sizes=(8,), batch_size=8, learning_rate_init=1e-2, alpha=0, random_state=0
        )
        scaled = (truth - truth.mean()) / truth.std()
        for _ in range(trial["best_epoch"]):
            model.partial_fit(scaler.transform(values.to_numpy()).astype(np.float32), scaled)
        test = scaler.transform(functionals.loc[list(split.test)].to_numpy()).astype(np.float32)
        expected = model.predict(test) * truth.std() + truth.mean()
        np.testing.assert_allclose(result.predictions["prediction"], expected, atol=1e-3)


def test_what_never_varies_is_predicted_as_it_is(corpus):
    functionals, target, splits = corpus
    found = search_regressor("ridge", functionals, target * 0 + 2.5, splits, GRID, seed=0)
    np.testing.assert_allclose(found.predictions["prediction"], 2.5)
