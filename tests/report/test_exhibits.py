import io

import pytest
from matplotlib.image import imread

from tokser.report.exhibits import figures_of, tables_of
from tokser.report.results import read_inputs
from tokser.report.sections import find_sections

FEATURES = [*(f"whisper-base/layer-{i}" for i in range(3)), "wavlm-base/layer-9", "demo/aligned"]


@pytest.fixture
def inputs(folders):
    return read_inputs([folders.results(features=FEATURES)], [folders.run()])


@pytest.fixture
def tables(inputs):
    return {table.name: table for table in tables_of(find_sections(inputs))}


def test_every_table_of_the_page_has_a_file(tables):
    names = ("scores", "table1", "table3", "comparisons")
    assert list(tables) == [f"emodb-{name}" for name in names]
    for table in tables.values():
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_scores_are_those_of_the_folder_and_bear_the_stamp(inputs, tables):
    scores = inputs.results[0].scores
    table = tables["emodb-scores"]
    wanted = scores[(scores["features"] == FEATURES[3]) & (scores["protocol"] == "speaker")].iloc[0]
    row = next(row for row in table.rows if row[0] == FEATURES[3])
    uar = row[table.columns.index("Unheard speakers: UAR [95 %]")]
    assert (uar.value, uar.low) == pytest.approx((wanted["uar"], wanted["uar_low"]))
    assert row[table.columns.index("Unheard speakers: n")] == 535
    assert "Random split: LEAKS SPEAKERS." in table.notes


def test_table_1_counts_each_utterance_once_and_says_why_493(tables):
    rows = {label: (published, here) for label, published, here in tables["emodb-table1"].rows}
    assert rows["All"] == (493, 535)
    assert rows["disgust"][0] == 38
    assert any("--subset recognised" in note for note in tables["emodb-table1"].notes)


def test_table_3_has_two_digits_as_published_and_speaks_of_f1(tables):
    table = tables["emodb-table3"]
    wavlm = next(row for row in table.rows if row[0] == "WavLM")
    assert [str(cell) for cell in wavlm[1:3]] == ["98.57", "98.15"]
    assert any("micro-F1" in note for note in table.notes)


def test_table_2_says_which_of_the_published_grids_it_is(folders):
    import json

    folder = folders.results(features=FEATURES)
    told = json.loads((folder / "provenance.json").read_text())
    grid = {"batch_sizes": [4, 8, 16, 32], "learning_rates": [0.001, 0.01]}
    told["settings"] |= {"classifiers": ["mlp"], "grid": grid}
    (folder / "provenance.json").write_text(json.dumps(told))
    tables = tables_of(find_sections(read_inputs([folder])))
    (table,) = [table for table in tables if table.name == "emodb-table2"]
    assert table.rows[-1][1:] == ("4, 8, 16, 32", "0.001, 0.01", 8, "published, proposed")
    assert [row[-1] for row in table.rows[:2]] == ["", "Whisper base, large"]


def test_every_figure_can_be_a_file_of_each_kind(inputs):
    found = figures_of(find_sections(inputs), [], inputs.runs)
    assert list(found) == [
        "emodb-leaks", "emodb-layers-whisper-base",
        "emodb-confusion-speaker", "emodb-confusion-report", "convergence", "validation",
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


def test_a_confusion_matrix_tells_what_it_shows(inputs):
    figure = figures_of(find_sections(inputs), [], [])["emodb-confusion-speaker"]
    assert "EmoDB, Unheard speakers" in figure.heading
    assert "Recognised: anger" in figure.description
    assert "var(--c1)" in figure


def test_a_confusion_matrix_bears_the_stamp_of_its_protocol(inputs):
    found = figures_of(find_sections(inputs), [], [])
    assert b"LEAKS SPEAKERS" in found["emodb-confusion-report"].render("svg")
    assert b"LEAKS SPEAKERS" not in found["emodb-confusion-speaker"].render("svg")
