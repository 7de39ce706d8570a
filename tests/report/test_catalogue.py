import io

import pytest
from matplotlib.image import imread

from tokser.errors import SettingsError
from tokser.report.catalogue import figures_of, tables_of
from tokser.report.inputs import read_inputs
from tokser.report.renderers import TABLE_FORMATS, render_table
from tokser.report.sections import find_sections

FEATURES = [*(f"whisper-base/layer-{i}" for i in range(3)), "wavlm-base/layer-9", "demo/aligned"]


@pytest.fixture
def inputs(folders):
    return read_inputs([folders.results(features=FEATURES)], [folders.run()])


def test_every_table_of_the_page_has_a_file(inputs):
    names = [table.name for table in tables_of(find_sections(inputs), inputs)]
    ends = ("scores", "search-mlp", "confusion-speaker", "confusion-random", "comparisons")
    ends = (*ends, "table1", "table3")
    assert names == [
        *(f"emodb-{end}" for end in (*ends, "audit")), "pretraining", "evaluations",
    ]  # fmt: skip


def test_every_target_has_a_table_and_figures(folders):
    inputs = read_inputs([folders.regression(features=FEATURES)])
    sections = find_sections(inputs)
    names = [table.name for table in tables_of(sections, inputs)]
    assert names == [
        "iemocap-arousal-scores", "iemocap-arousal-comparisons",
        "iemocap-valence-scores", "iemocap-valence-comparisons",
        "iemocap-regression-audit", "evaluations",
    ]  # fmt: skip
    figures = list(figures_of(sections, []))
    ends = ("leakage", "layers-whisper-base", "agreement")
    assert figures == [f"iemocap-{t}-{end}" for t in ("arousal", "valence") for end in ends]


def test_tables_of_scores_keep_chosen_columns(inputs):
    sections = find_sections(inputs)
    table = next(tables_of(sections, inputs, ["uar", "n"]))
    assert {column.name for column in table.columns} == {"Features", "UAR", "n"}
    with pytest.raises(SettingsError, match="columns of the tables of scores: UAR, Accuracy"):
        next(tables_of(sections, inputs, ["uar", "loss"]))


def test_every_table_can_be_a_file_of_each_format(inputs):
    for table in tables_of(find_sections(inputs), inputs):
        for form in TABLE_FORMATS:
            assert render_table(table, form).endswith("\n")


@pytest.mark.slow
def test_every_figure_can_be_a_file_of_each_format(inputs):
    found = figures_of(find_sections(inputs), inputs.runs)
    assert list(found) == [
        "emodb-leakage", "emodb-layers-whisper-base",
        "emodb-confusion-speaker", "emodb-confusion-random", "convergence", "validation",
    ]  # fmt: skip
    figure = found["emodb-layers-whisper-base"]
    assert figure.render("pdf").startswith(b"%PDF")
    assert figure.render("pdf") == figure.render("pdf")
    picture = imread(io.BytesIO(figure.render("png")), format="png")
    assert picture.shape[1] == pytest.approx(400 / 72 * 300, abs=1)
    assert picture[0, 0].tolist() == [1, 1, 1, 1]
    svg = figure.render("svg").decode()
    assert "Layer (0: embedding output)" in svg
    assert "var(--" not in svg
