"""What the folds of a protocol select together."""

import pandas as pd
import pytest

from tokser.experiments.models.selection import select

FOLDS = ["a", "b", "c", "d"]


def trials(scores, epochs=None, crossfit=0.5, **columns) -> pd.DataFrame:
    """A row of each point and fold; `scores` and `epochs` are [points][folds]."""
    rows = []
    for fold, name in enumerate(FOLDS):
        own = [of_point[fold] for of_point in scores]
        for point, score in enumerate(own):
            rows.append(
                {
                    "fold": name,
                    **{key: values[point] for key, values in columns.items()},
                    "best_epoch": None if epochs is None else epochs[point][fold],
                    "dev_uar": score,
                    "dev_uar_crossfit": crossfit if point == own.index(max(own)) else None,
                    "selected": point == own.index(max(own)),
                }
            )
    return pd.DataFrame(rows)


def test_the_best_mean_over_folds_is_selected():
    table = trials([[0.9, 0.1, 0.1, 0.1], [0.5, 0.5, 0.5, 0.5]], C=[0.1, 1.0])
    found = select(table, FOLDS, "dev_uar")
    assert found.choice.point == 1
    assert found.params == {"C": 1.0}
    assert found.choice.epochs is None
    assert found.dev_score == 0.5
    assert [row["mean"] for row in found.trials] == pytest.approx([0.3, 0.5])
    assert found.trials[0] == pytest.approx({"C": 0.1, "mean": 0.3, "least": 0.1, "highest": 0.9})


def test_of_equal_points_the_first_is_selected():
    table = trials([[0.5] * 4, [0.5] * 4, [0.4] * 4], C=[0.1, 1.0, 10.0])
    assert select(table, FOLDS, "dev_uar").choice.point == 0


@pytest.mark.parametrize(
    ("epochs", "median", "fold"),
    [([3, 9, 5, 7], 5, 2), ([4, 4, 1, 9], 4, 0), ([2, 8, 8, 9], 8, 1), ([30, 1, 1, 1], 1, 1)],
)
def test_a_network_is_trained_for_the_lower_median_of_epochs(epochs, median, fold):
    table = trials([[0.5] * 4], epochs=[epochs], batch_size=[8], learning_rate=[0.1], hidden=["6"])
    found = select(table, FOLDS, "dev_uar")
    assert (found.choice.epochs, found.choice.fold) == (median, fold)
    assert found.params == {"batch_size": 8, "learning_rate": 0.1, "hidden": "6", "epochs": median}


def test_points_may_be_listed_one_after_the_other():
    table = trials([[0.1, 0.2, 0.3, 0.4], [0.4, 0.4, 0.4, 0.4]], C=[0.1, 1.0])
    by_point = table.sort_values(["C", "fold"])
    assert select(by_point, FOLDS, "dev_uar") == select(table, FOLDS, "dev_uar")
