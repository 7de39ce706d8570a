import pandas as pd
import pytest

from tokser.report.comparison import compare, dev_uar
from tokser.report.tables import headline, merge_results

FEATURES = ("whisper-base/layer-3", "whisper-base/layer-6", "demo/aligned")


def test_the_dev_part_chooses_not_the_test_part(folders):
    folder = folders.results(features=FEATURES[:2])
    table = headline(merge_results([folder]))
    best_on_test = table.best("speaker")[0].features
    other = next(name for name in FEATURES[:2] if name != best_on_test)
    dev = {(other, "speaker", "mlp", 0): 0.9, (best_on_test, "speaker", "mlp", 0): 0.1}
    whisper = next(row for row in compare("emodb", table, dev, {}) if row.label == "Whisper")
    assert whisper.ours["speaker"][0].features == other


def test_without_dev_scores_the_last_layer_stands(folders):
    names = [f"wavlm-base/layer-{layer}" for layer in (12, 0, 9)]
    table = headline(merge_results([folders.results(features=names, classifiers=["logreg"])]))
    wavlm = next(row for row in compare("emodb", table, {}, {}) if row.label == "WavLM")
    assert wavlm.ours["report"][0].features == "wavlm-base/layer-12"


def test_rows_of_the_report_come_first_and_ours_that_it_lacks_last(folders):
    table = headline(merge_results([folders.results(features=FEATURES)]))
    rows = compare("emodb", table, {}, {"demo": "bert-base-uncased/contextual"})
    assert [row.label for row in rows][-2:] == ["Ours (Multi)", "Ours (Mono)"]
    assert rows[-1].published is None
    assert rows[-1].ours["report"][0].features == "demo/aligned"
    assert rows[-2].ours == {}


def test_a_dataset_that_the_report_lacks_is_not_compared(folders):
    table = headline(merge_results([folders.results()]))
    assert compare("librispeech", table, {}, {}) == []


@pytest.mark.parametrize("yes", [True, "True", 1])
def test_dev_uar_is_the_mean_over_folds_of_the_selected_points(yes):
    grid = pd.DataFrame(
        {
            "features": "f",
            "protocol": "speaker",
            "classifier": "mlp",
            "fold": [0, 0, 1],
            "dev_uar": [0.5, 0.9, 0.7],
            "selected": [yes, not yes if yes is True else "False", yes],
        }
    )
    assert dev_uar([(3, grid)]) == {("f", "speaker", "mlp", 3): pytest.approx(0.6)}
