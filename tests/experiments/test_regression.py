"""Numbers of any column, and the loss 1 - CCC."""

import numpy as np
import pandas as pd
import pytest

from tokser.config import GridSettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.heads.registry import find_head
from tokser.experiments.regression import Regression
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData


def reached(task, head, *, noise):
    """CCC on test of a number that functionals tell with some noise."""
    rng = np.random.default_rng(0)
    ids = pd.Index([f"u{i:03d}" for i in range(240)], name="id")
    values = rng.normal(size=(240, 6)).astype(np.float32)
    target = pd.Series(4 + values[:, 0] - values[:, 1] + noise * rng.normal(size=240), index=ids)
    splits = [Split("1", tuple(ids[:120]), tuple(ids[120:160]), tuple(ids[160:]))]
    grid = GridSettings(batch_sizes=(32,), learning_rates=(1e-2,), hidden=(8,), epochs=25)
    data = TrainingData(task, pd.DataFrame(values, index=ids), target, splits, grid, 0)
    found = search(find_head(head, task), data).predictions
    return task.fold_score(found), found["prediction"].std() / found["truth"].std()


@pytest.mark.parametrize("head", ["mlp", "linear"])
def test_networks_predict_numbers_by_either_loss(head):
    for loss in ("squared error", "concordance"):
        assert reached(Regression(("rating",), loss=loss), head, noise=0.1)[0] > 0.85


def test_1_minus_ccc_keeps_the_spread_that_squares_shrink():
    tasks = [Regression(("r",), loss=loss) for loss in ("squared error", "concordance")]
    (_, squares), (_, concordance) = (reached(task, "linear", noise=1.5) for task in tasks)
    assert concordance > squares + 0.1


@pytest.mark.parametrize("head", ["ridge", "mlp-sklearn", "sklearn.linear_model:Ridge"])
def test_heads_with_a_loss_of_their_own_are_refused_for_ccc(head):
    with pytest.raises(SettingsError, match=r"mlp, linear.*minimise 1 - CCC"):
        find_head(head, Regression(("r",), loss="concordance"))


def test_the_loss_is_told_with_the_results():
    assert Regression(("r",), loss="concordance").setup({}) == ["loss 1 - CCC"]
    assert Regression(("r",)).setup({}) == []


def test_an_unknown_target_is_answered_with_the_numbers_there_are():
    table = pd.DataFrame(
        {"speaker": ["3", "4"], "effort": ["1", "2.5"], "note": ["x", ""]}, index=["a", "b"]
    )
    with pytest.raises(InputError, match="This store has the numbers effort"):
        Regression(("arousal",)).usable(table, splits_are_given=False)
    found = Regression(("effort",)).usable(table, splits_are_given=False)
    assert found["effort"].tolist() == [1, 2.5]
