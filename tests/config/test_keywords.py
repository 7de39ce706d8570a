"""Keywords of Python stand for what the options of the command line stand for."""

import pytest

from tokser.config import ClassifySettings, PoolSettings, RegressSettings
from tokser.config.grid import ONE_POINT
from tokser.config.keywords import settings_from
from tokser.errors import SettingsError

PLACES = {"dataset": "emodb", "store": "x.zarr", "out": "out"}


def classify(**keywords) -> ClassifySettings:
    return settings_from(ClassifySettings, PLACES | keywords, where="tokser.classify")


@pytest.mark.parametrize(
    ("keywords", "field", "value"),
    [
        ({"protocols": "random, speaker"}, "protocols", ("random", "speaker")),
        ({"protocol": ["loso"]}, "protocols", ("speaker",)),
        ({"heads": "logreg"}, "heads", ("logreg",)),
        ({"classifier": ["logreg", "svm"]}, "heads", ("logreg", "svm")),
        ({"features": "mean(a/x, a/y)"}, "features", ("mean(a/x, a/y)",)),
        ({"seeds": 3}, "num_seeds", 3),
        ({"ledger": None}, "ledger", None),
    ],
)
def test_names_of_settings_and_of_options_are_understood(keywords, field, value):
    assert getattr(classify(**keywords), field) == value


def test_without_a_grid_one_point_is_trained_as_on_the_command_line():
    for settings in (classify(), classify(epochs=3)):
        assert settings.grid.batch_sizes == ONE_POINT["batch_sizes"]
    assert classify(epochs=3).grid.epochs == 3


def test_a_grid_is_a_text_or_values_by_name():
    assert len(classify(grid="baseline").grid.batch_sizes) == 9
    assert classify(grid="batch_size=8,16", epochs=2).grid.batch_sizes == (8, 16)
    mine = classify(grid={"batch_sizes": [4], "learning_rates": [0.1]}, epochs=2).grid
    assert (mine.batch_sizes, mine.learning_rates, mine.epochs) == ((4,), (0.1,), 2)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"protocls": "x"}, r"unknown keyword 'protocls' \(nearest known keyword: 'protocol"),
        ({"head": "logreg", "heads": ["svm"]}, "heads under two names"),
        ({"heads": ["tree"]}, "which is none of mlp, linear"),
        ({"seed": -1}, "tokser.classify: .*seed"),
    ],
)
def test_a_wrong_call_is_explained(keywords, message):
    with pytest.raises(SettingsError, match=message):
        classify(**keywords)


def test_commands_without_a_grid_have_keywords_too():
    assert settings_from(PoolSettings, {"store": "x", "functional": "max"}, where="t").functionals
    told = settings_from(RegressSettings, PLACES | {"target": "valence"}, where="t")
    assert told.targets == ("valence",)
