"""The map of utterances, as a picture and as data."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from tokser.report.coordinates import Coordinates
from tokser.report.predicted_utterances import PredictedUtterances
from tokser.report.scores import Configuration
from tokser.report.utterance_map import UtteranceMap

ROW = Configuration("layer-1", "logreg", "0", "", "layer-1")


def make(num: int = 30, speakers: int = 4, **columns: object) -> UtteranceMap:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "label": rng.choice(["anger", "fear", "joy"], num),
            "prediction": rng.choice(["anger", "fear"], num),
            "probability": rng.uniform(0.4, 1, num),
            "speaker": [f"s{i % speakers}" for i in range(num)],
            "sex": "",
            "session": "",
            "transcript": [f"Satz {i}" for i in range(num)],
            "path": [f"wav/{i}.wav" for i in range(num)],
        },
        index=pd.Index([f"utt{i}" for i in range(num)], name="id"),
    ).assign(**columns)
    table["is_correct"] = table["label"] == table["prediction"]
    predicted = PredictedUtterances(ROW, "speaker", table, pd.DataFrame(index=table.index))
    values = rng.normal(size=(num, 2)) * [3, 1]
    return UtteranceMap(predicted, Coordinates(values, "PC 1", "PC 2", ""), "layer-1", "EmoDB")


def test_every_utterance_has_a_mark_within_the_picture():
    found = make()
    assert sum(path.count("M") for _, path in found.marks) == 30
    assert (found.points > 0).all()
    assert (found.points <= [640, found.height]).all()


def test_up_is_up_and_a_unit_is_as_long_up_as_across():
    found = make()
    values, points = found.coordinates.values, found.points
    assert points[values[:, 1].argmax(), 1] == points[:, 1].min()
    spread, drawn = np.ptp(values, axis=0), np.ptp(points, axis=0)
    np.testing.assert_allclose(drawn / spread, (drawn / spread)[0], rtol=1e-2)


def test_columns_without_two_values_colour_nothing():
    assert [one.name for one in make().groupings] == ["label", "prediction", "outcome", "speaker"]
    alone = make(label="anger", prediction="anger", speaker="s1")
    assert [one.name for one in alone.groupings] == ["label"]


def test_a_class_looks_the_same_as_label_and_as_prediction():
    label, prediction = make().groupings[:2]
    looks = dict(zip(label.groups, label.looks, strict=True))
    assert prediction.groups == ["anger", "fear"]
    assert list(prediction.looks) == [looks["anger"], looks["fear"]]


def test_looks_differ_and_rare_groups_share_the_last():
    speakers = next(one for one in make(400, 120).groupings if one.name == "speaker")
    assert len(speakers.groups) == 35
    assert speakers.groups[-1] == "others"
    assert len(set(speakers.looks[:-1])) == 34
    assert sum(speakers.counts) == 400


def test_the_description_has_the_numbers():
    found = make()
    counts = found.predicted.table["label"].value_counts()
    assert all(f"{number} {label}" in found.description for label, number in counts.items())


def test_data_are_columns_of_one_length():
    found = make(probability=[np.nan, *[0.5] * 29])
    data = found.data
    json.dumps(data, allow_nan=False)
    assert data["probability"][:2] == [None, 0.5]
    for name in ("ids", "x", "y", "label", "prediction", "probability", "speaker", "transcript"):
        assert len(data[name]) == 30
    for grouping in data["groupings"]:
        assert len(grouping["codes"]) == 30
        assert len(grouping["groups"]) == len(grouping["shapes"]) == len(grouping["colours"])


@pytest.mark.parametrize("num", [3, 5_531])
def test_a_mark_takes_few_bytes(num):
    found = make(num)
    size = sum(len(path) for _, path in found.marks)
    assert size < 60 * num
    assert not re.search(r"nan|e-", "".join(path for _, path in found.marks))
