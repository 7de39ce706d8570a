import numpy as np
import pandas as pd

from tokser.experiments.calibration.predicted import Predicted, draws_of
from tokser.experiments.statistics.sampling_units import SamplingUnits


def test_tables_of_predictions_are_taken_by_name():
    table = pd.DataFrame(
        {
            "id": ["b", "a"],
            "label": ["sad", "calm"],
            "probability_sad": [0.9, 0.2],
            "probability_calm": [0.1, 0.8],
        }
    )
    units = SamplingUnits("speaker", pd.Series({"a": "s1", "b": "s2"}))
    found = Predicted.of(table, ("calm", "sad"), units)
    assert found.probabilities.tolist() == [[0.1, 0.9], [0.8, 0.2]]
    assert found.truth.tolist() == [1, 0]
    assert found.units.tolist() == ["s2", "s1"]
    assert found.is_right.tolist() == [True, True]
    assert found.where(np.array([True, False])).ids.tolist() == ["b"]


def test_draws_follow_from_ids_and_look_uniform():
    ids = [f"utt{i}" for i in range(4000)]
    draws = draws_of(ids)
    assert (draws == draws_of(ids)).all() and (draws[:9] == draws_of(ids[:9])).all()
    assert (draws >= 0).all() and (draws < 1).all()
    shares = np.histogram(draws, bins=10, range=(0, 1))[0] / len(ids)
    assert np.abs(shares - 0.1).max() < 0.02
