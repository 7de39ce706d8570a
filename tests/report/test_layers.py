import numpy as np

from tokser.report.inputs import read_inputs
from tokser.report.layers import find_layer_curves
from tokser.report.scores import arrange
from tokser.report.tasks import CLASSIFICATION

from .conftest import scores_of

LAYERS = [f"whisper-base/layer-{layer}" for layer in (10, 2, 0)]


def test_layers_make_a_curve_in_their_order(folders):
    features = [*LAYERS, "wavlm-base/layer-3", "bert-base-uncased/contextual"]
    folder = folders.results(features=features)
    table = scores_of(folder)
    choices = read_inputs([folder]).experiments[0].choices
    table.loc[table["protocol"] == "random", "uar_low"] = np.nan
    [curve] = find_layer_curves(arrange(CLASSIFICATION, table), choices)
    assert curve.label == "whisper-base"
    assert curve.layers["speaker"] == (0, 2, 10)
    mine = table[table["protocol"] == "random"].set_index("features")["uar"]
    assert curve.values["random"] == tuple(mine[name] for name in LAYERS[::-1])
    assert np.isnan(np.array(curve.intervals["random"])[:, 0]).all()
    assert curve.selected == {"speaker": {}, "random": {}}


def test_rings_count_the_folds_that_selected_a_layer(folders):
    best = "best(whisper-base/layer-0..2)"
    folder = folders.results(features=[*LAYERS, best], protocols=["speaker"])
    choices = read_inputs([folder]).experiments[0].choices
    [curve] = find_layer_curves(arrange(CLASSIFICATION, scores_of(folder)), choices)
    assert curve.selected["speaker"] == {10: 1, 2: 1, 0: 8}
