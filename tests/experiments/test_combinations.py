import numpy as np
import pandas as pd
import pytest

from tokser.errors import SettingsError
from tokser.experiments.classification import Classification
from tokser.experiments.combinations import combine
from tokser.experiments.regression import Regression


def table(probabilities, ids):
    found = pd.DataFrame({"id": ids, "label": "a", "prediction": "?"})
    return found.assign(
        probability_a=[p for p, _ in probabilities], probability_b=[p for _, p in probabilities]
    )


FIRST = table([(0.9, 0.1), (0.4, 0.6)], ["x", "y"])
SECOND = table([(0.7, 0.3), (0.2, 0.8)], ["y", "x"])  # in another order


def test_averages_are_joined_by_id():
    found, chosen = combine(Classification(), "mean", [FIRST, SECOND], [0.5, 0.9])
    assert chosen is None
    assert found["id"].tolist() == ["x", "y"]
    np.testing.assert_allclose(found["probability_a"], [(0.9 + 0.2) / 2, (0.4 + 0.7) / 2])
    assert found["prediction"].tolist() == ["a", "a"]


def test_weights_are_what_each_is_above_chance_on_dev():
    found, _ = combine(Classification(), "weighted", [FIRST, SECOND], [0.6, 0.9])
    np.testing.assert_allclose(
        found["probability_a"], [0.2 * 0.9 + 0.8 * 0.2, 0.2 * 0.4 + 0.8 * 0.7]
    )
    nobody, _ = combine(Classification(), "weighted", [FIRST, SECOND], [0.5, 0.3])
    plain, _ = combine(Classification(), "mean", [FIRST, SECOND], [0.5, 0.3])
    pd.testing.assert_frame_equal(nobody, plain)


def test_the_best_on_dev_is_taken_and_ties_go_to_the_first():
    found, chosen = combine(Classification(), "best", [FIRST, SECOND], [0.5, 0.9])
    assert chosen == 1 and found is SECOND
    assert combine(Classification(), "best", [FIRST, SECOND], [0.9, 0.9])[1] == 0


def test_numbers_are_chosen_among_and_not_averaged():
    tables = [pd.DataFrame({"id": ["x"], "truth": [1.0], "prediction": [p]}) for p in (1.0, 2.0)]
    task = Regression(("valence",))
    assert combine(task, "best", tables, [0.1, 0.2])[0] is tables[1]
    with pytest.raises(SettingsError, match="expected features, or sums of them"):
        combine(task, "mean", tables, [0.1, 0.2])
