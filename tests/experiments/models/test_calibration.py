"""Models that keep a calibration: what they predict and show, and how the folder keeps it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import CheckpointError, InputError
from tokser.experiments.calibration.temperature import scale_probabilities
from tokser.experiments.models.calibration import Calibration, KeptThreshold
from tokser.experiments.models.card import model_card
from tokser.experiments.models.folder import load_model, save_model
from tokser.prediction.run import model_digest

CLASSES = ("anger", "neutral", "sadness")
COLUMNS = [f"probability_{name}" for name in CLASSES]
GROUP = {"coverage": 0.9, "coverage_low": 0.8, "coverage_high": 0.95, "mean_set_size": 1.5}
MEASURES = ("ece", "ece_equal_width", "classwise_ece", "brier", "nll", "aurc")


def make_calibration(score="lac", **changes) -> Calibration:
    exchangeable = ("speakers", "utterances")
    values = {
        "temperature": 2.5,
        "set_score": score,
        "thresholds": tuple(
            KeptThreshold(kind, level, value, number, "an utterance")
            for kind, number in zip(exchangeable, (4, 60), strict=True)
            for level, value in ((0.8, 0.62), (0.9, None if kind == "speakers" else 0.7))
        ),
        "made_from": {"protocol": "speaker", "num_utterances": 60, "num_units": 4}
        | {"unit": "speaker", "leaks": "", "outputs": "probabilities", "note": ""},
        "measures": [
            dict.fromkeys(MEASURES, 0.1)
            | {"probabilities": kind, "ece_if_calibrated": 0.02, "ece_if_calibrated_95": 0.03}
            for kind in ("raw", "calibrated")
        ],
        "coverage": [
            GROUP | {"exchangeable": kind, "level": level, "group_kind": group, "group": "s1"}
            | {"n_test": 60, "least_coverage": 0.7, "least_covered": "s1"}
            for kind in exchangeable
            for level in (0.8, 0.9)
            for group in ("all", "speaker")
        ],
    }  # fmt: skip
    return Calibration(**(values | changes))


@pytest.fixture
def calibrated(model):
    return replace(model, calibration=make_calibration())


def test_probabilities_are_scaled_and_labels_stay(model, calibrated, tables):
    raw, found = (one.predict_functionals(tables) for one in (model, calibrated))
    assert (found["label"] == raw["label"]).all()
    wanted = scale_probabilities(raw[COLUMNS].to_numpy(dtype=np.float64), 2.5)
    assert (found[COLUMNS].to_numpy() == wanted).all()
    assert list(found) == list(raw) == list(calibrated.columns)


def test_raw_probabilities_are_those_of_the_heads(model, calibrated, tables):
    raw = calibrated.showing(raw=True)
    pd.testing.assert_frame_equal(
        raw.predict_functionals(tables), model.predict_functionals(tables)
    )
    assert model_digest(raw) == model_digest(model) != model_digest(calibrated)


@pytest.mark.parametrize("score", ["lac", "aps", "aps-randomised"])
@pytest.mark.parametrize("raw", [True, False])
def test_sets_name_the_most_probable_class_first(model, tables, score, raw):
    calibrated = replace(model, calibration=make_calibration(score))
    shown = calibrated.showing(raw=raw, sets="utterances", level=0.9)
    found = shown.predict_functionals(tables)
    assert list(found) == list(shown.columns) == ["label", *COLUMNS, "prediction_set"]
    sets = found["prediction_set"].str.split("|")
    assert (sets.str[0] == found["label"]).all()
    for names, (_, row) in zip(sets, found[COLUMNS].iterrows(), strict=True):
        values = [row[f"probability_{name}"] for name in names]
        assert values == sorted(values, reverse=True)
        if score == "lac" and not raw:
            held = {name for name in CLASSES if 1 - row[f"probability_{name}"] <= 0.7}
            assert set(names) == held | {names[0]}
    assert model_digest(shown) != model_digest(calibrated)


def test_sets_follow_from_the_recording_alone(calibrated, tables):
    shown = calibrated.showing(sets="speakers")
    few = {name: table.iloc[2:5] for name, table in tables.items()}
    whole, part = shown.predict_functionals(tables), shown.predict_functionals(few)
    assert (whole.loc[part.index, "prediction_set"] == part["prediction_set"]).all()
    assert shown.shown.level == 0.8


def test_no_utterance_has_no_set(calibrated, tables):
    none = {name: table.iloc[:0] for name, table in tables.items()}
    found = calibrated.showing(sets="speakers").predict_functionals(none)
    assert list(found) == ["label", *COLUMNS, "prediction_set"] and found.empty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sets": "speakers", "level": 0.7}, r"fitted for: 0.8, 0.9, got 0.7"),
        ({"sets": "speakers", "level": 0.9}, r"4 speakers can promise: at most 80.0 %, got 90 %"),
        ({"level": 0.8}, r"expected --sets"),
    ],
)
def test_sets_that_are_not_there_are_refused(calibrated, options, message):
    with pytest.raises(InputError, match=message):
        calibrated.showing(**options)


def test_a_model_without_calibration_has_no_sets(model):
    with pytest.raises(InputError, match="one without calibration"):
        model.showing(sets="speakers")


def test_a_folder_keeps_it(calibrated, tables, tmp_path):
    save_model(calibrated, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.calibration == calibrated.calibration
    shown = [one.showing(sets="utterances") for one in (loaded, calibrated)]
    first, second = (one.predict_functionals(tables) for one in shown)
    pd.testing.assert_frame_equal(first, second)
    save_model(loaded, tmp_path / "again")
    assert (tmp_path / "again/model.json").read_bytes() == (
        tmp_path / "model/model.json"
    ).read_bytes()


def test_a_folder_without_it_is_as_before(model, tmp_path):
    save_model(model, tmp_path / "model")
    assert "calibration" not in json.loads((tmp_path / "model/model.json").read_text())
    assert load_model(tmp_path / "model").calibration is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": -1.0}, "calibration.temperature"),
        ({"set_score": "other"}, "calibration.set_score"),
        ({"thresholds": [{"level": 2}]}, "calibration.thresholds"),
    ],
)
def test_a_calibration_that_is_none_is_refused(calibrated, tmp_path, change, message):
    folder = tmp_path / "model"
    save_model(calibrated, folder)
    content = json.loads((folder / "model.json").read_text())
    content["calibration"] |= change
    ChecksummedFolder(folder).put({"model.json": json.dumps(content).encode()})
    with pytest.raises(CheckpointError, match=message):
        load_model(folder)


def test_the_card_shows_it(calibrated, model):
    card = model_card(calibrated, "emodb")
    assert (
        "temperature 2.500" in card and "| speaker s1 | 90.0 % [80.0, 95.0] | 1.50 | 60 |" in card
    )
    assert "nothing has calibrated them" in model_card(model, "emodb")
    assert "## Calibration" not in model_card(model, "emodb")
    made = calibrated.calibration.made_from | {"outputs": "decision values", "note": "at the end"}
    other = replace(calibrated, calibration=make_calibration(made_from=made))
    assert "softmax of its decision values" in model_card(other, "emodb")
    assert "The temperature is at the end." in model_card(other, "emodb")
