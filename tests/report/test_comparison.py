import pytest

from tokser.report.comparison import counts_table, grids_table, published_table, representatives
from tokser.report.inputs import read_inputs
from tokser.report.scores import arrange
from tokser.report.tasks import CLASSIFICATION

from .conftest import scores_of

FEATURES = ("whisper-base/layer-3", "whisper-base/layer-6", "demo/aligned")


def scores(folder):
    return arrange(CLASSIFICATION, scores_of(folder))


def test_dev_selects_and_not_the_test_sets(folders):
    """The selection is no better than the layer that is best on test, and is shown all the same."""
    names = ["best(whisper-base/layer-3..6)", *FEATURES[:2]]
    found = scores(folders.results(features=names))
    assert found.highest("speaker")[0].features == FEATURES[1]
    assert representatives(found, {})["Whisper"]["speaker"][0].features == names[0]


def test_without_a_selection_the_last_layer_is_shown(folders):
    names = [f"wavlm-base/layer-{layer}" for layer in (12, 0, 9)]
    found = representatives(scores(folders.results(features=names, classifiers=["logreg"])), {})
    assert found["WavLM"]["random"][0].features == "wavlm-base/layer-12"


def test_fusions_match_no_row_of_the_paper(folders):
    names = ["best(whisper-base/layer-0..6)", "whisper-base/layer-3 + bert/contextual"]
    found = representatives(scores(folders.results(features=names)), {})
    assert list(found) == ["Whisper"]
    assert found["Whisper"]["speaker"][0].features == names[0]


def table_3(folder, teachers, dataset="emodb"):
    stamps = {"random": "LEAKS SPEAKERS"}
    return published_table(
        dataset, scores(folder), teachers, name="t", caption="Table 3", stamps=stamps
    )


def test_rows_of_the_paper_come_first(folders):
    table = table_3(folders.results(features=FEATURES), {"demo": "bert-base-uncased/contextual"})
    assert [row[0] for row in table.rows][-2:] == ["Ours (Multi)", "Ours (Mono)"]
    multi, mono = table.rows[-2:]
    assert multi[3:] == (None,) * 6
    assert mono[1:3] == (None, None)
    assert mono[-1] == "demo/aligned"
    assert table.stamps[-1] == "Here, random split: LEAKS SPEAKERS."


def test_table_3_has_two_digits_as_published(folders):
    table = table_3(folders.results(), {})
    wavlm = next(row for row in table.rows if row[0] == "WavLM")
    assert [str(cell) for cell in wavlm[1:3]] == ["98.57", "98.15"]
    assert any("micro-F1" in note for note in table.notes)
    assert any(note.startswith("BERT (Mono): A UAR of 14.29 %") for note in table.notes)


def test_a_dataset_without_published_scores_has_no_table(folders):
    folder = folders.results()
    assert table_3(folder, {}, dataset="librispeech") is None
    predictions = [read_inputs([folder]).experiments[0].predictions]
    assert counts_table("librispeech", predictions, "t", "Table 1") is None


def test_table_1_counts_each_utterance_once(folders):
    predictions = [read_inputs([folders.results()]).experiments[0].predictions]
    table = counts_table("emodb", predictions, "t", "Table 1")
    assert table.totals == ("All", 493, 535)
    assert {row[0]: row[1] for row in table.rows}["disgust"] == 38
    assert any("--subset recognised" in note for note in table.notes)


@pytest.mark.parametrize(
    ("sizes", "same"), [([4, 8, 16, 32], "paper, proposed"), ([4, 8], "neither")]
)
def test_table_2_names_the_paper_grid_that_is_the_same(sizes, same):
    grid = {"batch_sizes": sizes, "learning_rates": [0.001, 0.01]}
    table = grids_table({"out": {"classifiers": ["mlp"], "grid": grid}}, "t", "Table 2")
    listed = ", ".join(map(str, sizes))
    assert table.rows[-1] == ("out", listed, "0.001, 0.01", 2 * len(sizes), same)
    assert table.rows[1][0] == "Paper, proposed, Whisper base or large"


def test_without_an_mlp_there_is_no_table_2():
    assert grids_table({"out": {"classifiers": ["logreg"], "grid": {}}, "b": {}}, "t", "") is None
