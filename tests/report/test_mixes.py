"""Weights of the layers of mixes, as bars and as a table."""

import re
from pathlib import Path

import pandas as pd
import pytest

from tokser.config import ReportSettings
from tokser.report.catalogue import figures_of, tables_of
from tokser.report.inputs import read_inputs
from tokser.report.page import render
from tokser.report.sections import find_sections

MIX = "mix(whisper-base/layer-0..2)"


@pytest.fixture
def inputs(folders):
    folder = folders.results(features=("whisper-base/layer-2", MIX), classifiers=("superb",))
    key = {"dataset": "emodb", "features": MIX, "classifier": "superb", "setup": ""}
    rows = [
        key
        | {"protocol": protocol, "layer": f"whisper-base/layer-{layer}", "weight": weight}
        | {"weight_low": low, "weight_high": None if low is None else 2 * weight - low}
        | {"no_interval": "", "num_folds": 10, "num_seeds": 1, "stamp": ""}
        for protocol, low_by in (("speaker", 0.05), ("random", None))
        for layer, weight in enumerate((0.2, 0.5, 0.3))
        for low in (None if low_by is None else weight - low_by,)
    ]
    pd.DataFrame(rows).to_csv(folder / "mix.csv", index=False)
    return read_inputs([folder])


def test_the_table_has_layers_down_and_protocols_across(inputs):
    (table,) = [t for t in tables_of(find_sections(inputs), inputs) if "weights" in t.name]
    assert table.name == "emodb-layer-weights"
    assert [row[0] for row in table.rows] == [f"whisper-base/layer-{i}" for i in range(3)]
    assert str(table.rows[1][2]) == "0.500 [0.450, 0.550]"
    assert str(table.rows[1][3]) == "0.500"
    assert [(group.title, group.stamp) for group in table.groups[1:]] == [
        ("Unseen speakers", ""),
        ("Random split", "LEAKS SPEAKERS"),
    ]


def test_the_figure_says_what_its_bars_show(inputs):
    found = figures_of(find_sections(inputs), [])
    (name,) = [one for one in found if "layer-weights" in one]
    assert "whisper-base/layer-1 0.500 [0.450, 0.550]" in found[name].description
    assert b"Equal weights" in found[name].render("svg")


def test_the_page_shows_weights_only_where_layers_are_mixed(inputs, folders):
    settings = ReportSettings(results=(Path("x"),))
    shown = re.sub(r"\s+", " ", render(settings, inputs))
    assert "<h3>Layer weights</h3>" in shown and "Table of the weights" in shown
    plain = read_inputs([folders.results("plain")])
    assert "Layer weights" not in render(settings, plain)
