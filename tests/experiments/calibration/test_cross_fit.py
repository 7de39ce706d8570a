import math
from dataclasses import replace

import numpy as np
import pytest

from tokser.experiments.calibration.cross_fit import (
    MOST_GROUPS,
    SetChoice,
    calibrate_by_dev,
    calibrate_by_speakers,
    fit_calibration,
)

CHOICE = SetChoice((0.8, 0.9))


def test_a_speaker_is_calibrated_by_the_others_alone(predicted):
    own = predicted.units == "s2"
    turned = replace(predicted, truth=np.where(own, (predicted.truth + 1) % 3, predicted.truth))
    before, after = (calibrate_by_speakers(one, CHOICE) for one in (predicted, turned))
    assert before.fitted["s2"] == after.fitted["s2"]
    assert before.fitted["s1"] != after.fitted["s1"]
    same = before.predicted.probabilities[own] == after.predicted.probabilities[own]
    assert same.all()
    for key, sets in before.sets.items():
        assert (sets[own] == after.sets[key][own]).all()


def test_what_others_fit_is_what_is_used(predicted):
    found = calibrate_by_speakers(predicted, CHOICE)
    fitted = fit_calibration(predicted.where(predicted.units != "s0"), CHOICE)
    assert found.fitted["s0"] == fitted
    assert (fitted.num_units, fitted.num_utterances) == (5, 200)
    assert math.isinf(fitted.thresholds["speakers", 0.9].value)
    assert math.isfinite(fitted.thresholds["speakers", 0.8].value)
    assert found.num_calibrating("speakers") == 5
    own = predicted.units == "s0"
    assert found.sets["speakers", 0.9][own].all()
    argmax = found.predicted.probabilities.argmax(axis=1)
    assert (argmax == predicted.probabilities.argmax(axis=1)).all()


def test_many_speakers_are_calibrated_in_groups(predict_some):
    made = predict_some(num_speakers=MOST_GROUPS + 3, each=4)
    found = calibrate_by_speakers(made, CHOICE)
    assert len(found.fitted) == MOST_GROUPS
    assert {one.num_units for one in found.fitted.values()} == {MOST_GROUPS + 1, MOST_GROUPS + 2}
    assert np.isfinite(found.predicted.probabilities).all()


def test_a_fold_is_calibrated_by_its_dev_part(predicted, predict_some):
    dev = {"first": predict_some(seed=1, boldness=3.0), "second": predict_some(seed=2)}
    folds = ["first" if i < 100 else "second" for i in range(len(predicted))]
    found = calibrate_by_dev(predicted, folds, dev, CHOICE)
    assert found.fitted == {name: fit_calibration(part, CHOICE) for name, part in dev.items()}
    assert found.temperatures[0] == pytest.approx(3.0, rel=0.4)
    assert found.temperatures[1] == pytest.approx(1.0, rel=0.3)


def test_an_empty_dev_part_calibrates_nothing(predicted):
    empty = predicted.where(np.zeros(len(predicted), dtype=bool))
    folds = ["only"] * len(predicted)
    found = calibrate_by_dev(predicted, folds, {"only": empty}, CHOICE)
    np.testing.assert_allclose(found.predicted.probabilities, predicted.probabilities)
    assert found.fitted["only"].temperature.note.startswith("not fitted")
    assert all(sets.all() for sets in found.sets.values())


@pytest.mark.parametrize("score", ["lac", "aps", "aps-randomised"])
def test_sets_cover_exchangeable_utterances_as_asked(predict_some, score):
    made = predict_some(num_speakers=20, each=60, boldness=2.0)
    found = calibrate_by_speakers(made, SetChoice((0.9,), score))
    for kind in ("speakers", "utterances"):
        sets = found.sets[kind, 0.9]
        covered = sets[np.arange(len(made)), made.truth].mean()
        most = 0.93 if (kind, score) == ("utterances", "lac") else 1.0
        assert 0.88 < covered < most
