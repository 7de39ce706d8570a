import math

import numpy as np
import pytest

from tokser.experiments.calibration.conformal import (
    class_scores,
    fit_threshold,
    most_coverage,
    num_needed,
    prediction_sets,
    true_scores,
)

GIVEN = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])


def test_lac_scores_are_one_minus_the_probability():
    np.testing.assert_allclose(class_scores(GIVEN, "lac"), 1 - GIVEN)


def test_aps_scores_are_what_is_more_probable():
    wanted = [[0.0, 0.5, 0.8], [0.8, 0.9, 0.0]]
    np.testing.assert_allclose(class_scores(GIVEN, "aps"), wanted, atol=1e-12)


def test_randomised_scores_add_a_share_of_the_class():
    found = class_scores(GIVEN, "aps-randomised", np.array([0.0, 0.5]))
    np.testing.assert_allclose(found, [[0.0, 0.5, 0.8], [0.85, 0.95, 0.4]], atol=1e-12)
    with pytest.raises(ValueError, match="random number"):
        class_scores(GIVEN, "aps-randomised")


def test_scores_of_the_truth_are_taken_from_all():
    assert true_scores(GIVEN, np.array([1, 2]), "lac") == pytest.approx([0.7, 0.2])


@pytest.mark.parametrize(("num", "level", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (99, 0.8, 80)])
def test_split_conformal_takes_the_usual_order_statistic(num, level, rank):
    scores = np.random.default_rng(0).permutation(num).astype(float)
    found = fit_threshold(scores, level)
    assert found.value == np.sort(scores)[rank - 1]
    assert math.ceil((num + 1) * level - 1e-9) == rank


def test_one_utterance_a_speaker_is_split_conformal():
    scores = np.random.default_rng(0).random(30)
    by_speaker = fit_threshold(scores, 0.9, np.arange(30))
    assert by_speaker == fit_threshold(scores, 0.9)


def test_speakers_weigh_the_same_however_much_they_say():
    scores = np.array([1.0] * 90 + [2.0, 3.0, 4.0])
    speakers = np.array(["a"] * 90 + ["b", "c", "d"])
    assert fit_threshold(scores, 0.5).value == 1
    assert fit_threshold(scores, 0.5, speakers).value == 3


@pytest.mark.parametrize(("level", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19)])
def test_too_few_speakers_promise_nothing(level, needed):
    assert num_needed(level) == needed
    assert most_coverage(needed) >= level - 1e-12 > most_coverage(needed - 1) - 1e-12
    scores = np.arange(float(needed))
    assert fit_threshold(scores, level, np.arange(needed)).value == needed - 1
    short = fit_threshold(scores[1:], level, np.arange(needed - 1))
    assert math.isinf(short.value) and short.num_groups == needed - 1


def test_no_utterance_promises_nothing():
    found = fit_threshold(np.array([]), 0.5, np.array([], dtype=object))
    assert math.isinf(found.value) and found.num_groups == 0


@pytest.mark.parametrize("score", ["lac", "aps", "aps-randomised"])
def test_a_set_holds_the_predicted_class_and_grows(score):
    draws = np.array([0.9, 0.9])
    sizes = []
    for threshold in (0.0, 0.3, 0.75, 0.95, math.inf):
        sets = prediction_sets(GIVEN, threshold, score, draws)
        assert sets[[0, 1], [0, 2]].all()
        sizes.append(sets.sum())
    assert sizes == sorted(sizes) and sizes[0] == 2 and sizes[-1] == 6


def _coverages(num_speakers, level, *, repeats=1500, each=20):
    """Coverage of a new speaker's utterance, by both kinds of threshold."""
    rng = np.random.default_rng(0)
    covered = np.zeros(2)
    speakers = np.repeat(np.arange(num_speakers), each)
    for _ in range(repeats):
        hardness = 2 * rng.normal(size=num_speakers + 1)
        scores = hardness[speakers] + rng.normal(size=len(speakers))
        new = hardness[-1] + rng.normal(size=each)
        thresholds = fit_threshold(scores, level, speakers), fit_threshold(scores, level)
        covered += [np.mean(new <= one.value) for one in thresholds]
    return covered / repeats


@pytest.mark.slow
def test_new_speakers_are_covered_where_speakers_count():
    by_speaker, by_utterance = _coverages(9, 0.8)
    assert by_speaker > 0.8 - 0.015
    assert by_speaker < 0.8 + 2 / 10 + 0.015
    assert by_utterance < 0.8 - 0.015
