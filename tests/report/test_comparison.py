from tokser.report.comparison import compare
from tokser.report.tables import headline, merge_results

FEATURES = ("whisper-base/layer-3", "whisper-base/layer-6", "demo/aligned")


def test_the_dev_parts_of_the_folds_choose_not_the_test_parts(folders):
    """The choice is no better than the layer that is best on test, and stands all the same."""
    names = ["best(whisper-base/layer-3..6)", *FEATURES[:2]]
    table = headline(merge_results([folders.results(features=names)]))
    assert table.highest("speaker")[0].features == FEATURES[1]
    whisper = next(row for row in compare("emodb", table, {}) if row.label == "Whisper")
    assert whisper.ours["speaker"][0].features == names[0]


def test_without_a_choice_the_last_layer_stands(folders):
    names = [f"wavlm-base/layer-{layer}" for layer in (12, 0, 9)]
    table = headline(merge_results([folders.results(features=names, classifiers=["logreg"])]))
    wavlm = next(row for row in compare("emodb", table, {}) if row.label == "WavLM")
    assert wavlm.ours["random"][0].features == "wavlm-base/layer-12"


def test_rows_of_the_report_come_first_and_ours_that_it_lacks_last(folders):
    table = headline(merge_results([folders.results(features=FEATURES)]))
    rows = compare("emodb", table, {"demo": "bert-base-uncased/contextual"})
    assert [row.label for row in rows][-2:] == ["Ours (Multi)", "Ours (Mono)"]
    assert rows[-1].published is None
    assert rows[-1].ours["random"][0].features == "demo/aligned"
    assert rows[-2].ours == {}


def test_a_dataset_that_the_report_lacks_is_not_compared(folders):
    table = headline(merge_results([folders.results()]))
    assert compare("librispeech", table, {}) == []


def test_a_choice_by_dev_among_layers_stands_for_its_encoder_and_fusions_for_none(folders):
    names = ["best(whisper-base/layer-0..6)", "whisper-base/layer-3 + bert/contextual"]
    table = headline(merge_results([folders.results(features=names)]))
    whisper = next(row for row in compare("emodb", table, {}) if row.label == "Whisper")
    assert whisper.ours["speaker"][0].features == names[0]
    assert all(
        found.features != names[1]
        for r in compare("emodb", table, {})
        for found, _ in r.ours.values()
    )
