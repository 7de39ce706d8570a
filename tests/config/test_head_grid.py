"""Grids of heads of other packages, on the command line and as text."""

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.config import ClassifySettings
from tokser.config.head_grid import grid_of
from tokser.config.option import command_words

GRID = {"n_estimators": [100, 300], "max_depth": None, "criterion": "gini"}


@pytest.fixture
def understood(monkeypatch):
    """Return the settings that a command line stands for."""

    def read(*words):
        told = []
        monkeypatch.setattr(
            "tokser.stages.classify.classify", lambda settings: told.append(settings) or 1 / 0
        )
        CliRunner().invoke(main, ["classify", "--dataset", "emodb", "--store", "x", *words])
        return told[0]

    return read


def test_values_and_files_are_read(understood, tmp_path):
    (tmp_path / "grid.yaml").write_text("n_estimators: [100]\nmax_depth: 3\n")
    found = understood(
        "--head-grid", str(tmp_path / "grid.yaml"), "--head-grid", "max_depth=[1, 2]"
    )
    assert found.head_grid == {"n_estimators": [100], "max_depth": [1, 2]}


def test_a_command_stands_for_its_settings(understood):
    made = ClassifySettings(
        dataset="emodb", store="x", out="out", heads=("a.b:C", "logreg"), head_grid=GRID
    )
    words = command_words(made, without=("dataset", "store", "out"))
    assert understood(*words).head_grid == GRID
    assert understood(*words).heads == ("a.b:C", "logreg")


def test_several_heads_have_a_grid_each():
    grid = {"a.b:C": {"x": 1}, "y": 2}
    assert grid_of("a.b:C", grid) == {"x": 1}
    assert grid_of("d:E", grid) == {"y": 2}
