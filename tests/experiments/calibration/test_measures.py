from dataclasses import replace

import numpy as np
import pytest

from tokser.experiments.calibration.coverage import coverage_rows
from tokser.experiments.calibration.measures import SeedPredictions
from tokser.experiments.calibration.proper_scores import brier_scores
from tokser.experiments.calibration.reliability import calibration_errors
from tokser.experiments.calibration.selective import area_under_risk
from tokser.intervals import jackknife

CLASSES = ("anger", "neutral", "sadness")


@pytest.fixture(scope="module")
def tested(predicted) -> SeedPredictions:
    return SeedPredictions([predicted], sorted(set(predicted.units)), "speaker")


def test_measures_are_those_of_all_utterances(tested, predicted):
    row = tested.measures(3)
    assert row["ece"] == pytest.approx(calibration_errors(predicted, "equal-mass"))
    assert row["ece_equal_width"] == pytest.approx(calibration_errors(predicted, "equal-width"))
    brier = brier_scores(predicted.probabilities, predicted.truth)
    assert row["brier"] == pytest.approx(brier.mean())
    assert row["aurc"] == area_under_risk(predicted.probabilities.max(axis=1), predicted.is_right)
    for name in ("ece", "classwise_ece", "brier", "nll", "aurc"):
        assert 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]


def test_intervals_leave_out_one_speaker_at_a_time(tested, predicted):
    brier = brier_scores(predicted.probabilities, predicted.truth)
    without = np.array([brier[predicted.units != name].mean() for name in tested.names])
    wanted = jackknife(
        float(brier.mean()), without, scale="difference", num_observations=len(brier)
    )
    row = tested.measures(3)
    assert (row["brier_low"], row["brier_high"]) == pytest.approx((wanted.low, wanted.high))


def test_several_seeds_are_averaged(predicted, predict_some):
    other = replace(predict_some(seed=5), ids=predicted.ids, units=predicted.units)
    names = sorted(set(predicted.units))
    apart = [SeedPredictions([one], names, "speaker").measures(3) for one in (predicted, other)]
    together = SeedPredictions([predicted, other], names, "speaker").measures(3)
    for name in ("brier", "nll", "aurc", "ece_equal_width"):
        assert together[name] == pytest.approx(np.mean([row[name] for row in apart]))


def test_unknown_speakers_allow_no_interval(predicted):
    tested = SeedPredictions(
        [predicted], sorted(set(predicted.units)), "speaker", "speakers unknown"
    )
    row = tested.measures(3)
    assert np.isnan(row["ece_low"]) and "aurc_low" not in row
    assert tested.common()["no_interval"] == "speakers unknown"


def test_a_curve_holds_every_utterance_once(tested, predicted):
    for label, place in (("", None), ("anger", 0)):
        rows = tested.curve(label, place)
        assert sum(row["num_utterances"] for row in rows) == len(predicted)
        for row in rows:
            assert row["lower_edge"] <= row["mean_probability"] <= row["upper_edge"]
            assert row["share_true_low"] <= row["share_true"] <= row["share_true_high"]


def test_answering_all_is_the_accuracy(tested, predicted):
    rows = tested.risk()
    assert rows[-1]["share_answered"] == 1
    assert rows[-1]["accuracy"] == pytest.approx(predicted.is_right.mean())
    assert [row["n_test"] for row in rows] == sorted(row["n_test"] for row in rows)


def test_coverage_is_counted_by_class_and_speaker(tested, predicted):
    sets = np.zeros((len(predicted), 3), dtype=bool)
    sets[np.arange(len(predicted)), predicted.truth] = True
    sets[predicted.units == "s3"] = [False, True, True]
    whole, *rows = coverage_rows(tested, [sets], CLASSES)
    held = sets[np.arange(len(predicted)), predicted.truth]
    assert whole["coverage"] == pytest.approx(held.mean())
    assert whole["least_covered"] == "s3"
    own = predicted.units == "s3"
    assert whole["least_coverage"] == pytest.approx(held[own].mean())
    by_name = {(row["group_kind"], row["group"]): row for row in rows}
    assert by_name["speaker", "s3"]["mean_set_size"] == 2
    assert by_name["speaker", "s0"]["coverage"] == 1
    assert by_name["speaker", "s0"]["share_of_one"] == 1
    assert by_name["label", "neutral"]["coverage"] == 1
    assert len(rows) == 3 + 6
    shares = [by_name["speaker", f"s{i}"]["coverage"] for i in range(6)]
    assert whole["coverage_of_speakers"] == pytest.approx(np.mean(shares))
