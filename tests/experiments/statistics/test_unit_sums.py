"""Pooled scores and their intervals against the written-out predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from tokser.experiments.statistics.metrics import (
    accuracy_from_confusion,
    ccc,
    ccc_from_sums,
    macro_f1_from_confusion,
    uar_from_confusion,
)
from tokser.experiments.statistics.sampling_units import find_sampling_units
from tokser.experiments.statistics.unit_sums import (
    estimate,
    estimate_difference,
    sum_classes,
    sum_numbers,
)
from tokser.intervals import jackknife

CLASSES = ["a", "b", "c"]


@pytest.fixture
def corpus():
    """Predictions of 90 utterances by 6 speakers, of whom one lacks class c."""
    rng = np.random.default_rng(0)
    ids = [f"u{i:02d}" for i in range(90)]
    speakers = pd.Series([f"s{i % 6}" for i in range(90)], index=ids)
    truth = rng.choice(CLASSES, 90)
    truth[(speakers == "s0").to_numpy() & (truth == "c")] = "a"
    guess = np.where(rng.random(90) < 0.5, truth, rng.choice(CLASSES, 90))
    table = pd.DataFrame({"id": ids, "fold": speakers, "label": truth, "prediction": guess})
    return table.reset_index(drop=True), units_of(speakers)


def units_of(speakers, sessions=""):
    return find_sampling_units(pd.DataFrame({"speaker": speakers, "session": sessions}))


def uar(table):
    labels = sorted(set(table["label"]))
    return recall_score(table["label"], table["prediction"], average="macro", labels=labels)


def test_scores_are_pooled_over_folds_and_not_averaged(corpus):
    table, units = corpus
    sums = sum_classes([table], units, CLASSES)
    value, _ = estimate(sums, uar_from_confusion, "share")
    assert value == pytest.approx(uar(table))
    assert abs(value - np.mean([uar(part) for _, part in table.groupby("fold")])) > 0.004
    accuracy, _ = estimate(sums, accuracy_from_confusion, "share")
    assert accuracy == pytest.approx(accuracy_score(table["label"], table["prediction"]))
    macro_f1, _ = estimate(sums, macro_f1_from_confusion, "share")
    expected = f1_score(table["label"], table["prediction"], average="macro")
    assert macro_f1 == pytest.approx(expected)


def test_the_interval_leaves_whole_speakers_out(corpus):
    table, units = corpus
    speakers = units.of(table["id"]).to_numpy()
    without = np.array([uar(table[speakers != name]) for name in sorted(set(speakers))])
    expected = jackknife(uar(table), without, scale="share", num_observations=90)
    found = estimate(sum_classes([table], units, CLASSES), uar_from_confusion, "share")[1]
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_seeds_are_averaged_within_each_unit_left_out(corpus):
    table, units = corpus
    other = table.assign(prediction=np.random.default_rng(1).permutation(table["prediction"]))
    speakers = units.of(table["id"]).to_numpy()
    without = np.array(
        [
            np.mean([uar(one[speakers != name]) for one in (table, other)])
            for name in sorted(set(speakers))
        ]
    )
    value = np.mean([uar(table), uar(other)])
    expected = jackknife(value, without, scale="share", num_observations=90)
    sums = sum_classes([table, other], units, CLASSES)
    found_value, found = estimate(sums, uar_from_confusion, "share")
    assert found_value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_difference_is_paired(corpus):
    table, units = corpus
    better = table.assign(
        prediction=np.where(np.arange(90) % 3 == 0, table["label"], table["prediction"])
    )
    speakers = units.of(table["id"]).to_numpy()
    without = np.array(
        [
            uar(better[speakers != name]) - uar(table[speakers != name])
            for name in sorted(set(speakers))
        ]
    )
    sums = [sum_classes([one], units, CLASSES) for one in (better, table)]
    difference, found = estimate_difference(*sums, uar_from_confusion)
    assert difference == pytest.approx(uar(better) - uar(table))
    expected = jackknife(difference, without, scale="difference", num_observations=90)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    alone = [estimate(one, uar_from_confusion, "share")[1] for one in sums]
    assert found.high - found.low < sum(one.high - one.low for one in alone)


def test_concordance_is_pooled_too(corpus):
    table, units = corpus
    rng = np.random.default_rng(1)
    truth = rng.normal(3, 1, 90)
    table = table.assign(truth=truth, prediction=truth * 0.5 + rng.normal(1, 0.3, 90))
    sums = sum_numbers([table], units)
    value, found = estimate(sums, ccc_from_sums, "correlation")
    assert value == pytest.approx(ccc(table["truth"].to_numpy(), table["prediction"].to_numpy()))
    assert found.low < value < found.high


def test_chance_is_the_best_constant_guess_under_each_score(corpus):
    table, units = corpus
    sums = sum_classes([table], units, CLASSES)
    constant = [table.assign(prediction=name) for name in CLASSES]
    assert sums.chance(uar_from_confusion) == pytest.approx(1 / 3)
    best = max(accuracy_score(one["label"], one["prediction"]) for one in constant)
    assert sums.chance(accuracy_from_confusion) == pytest.approx(best)
    best = max(f1_score(one["label"], one["prediction"], average="macro") for one in constant)
    assert sums.chance(macro_f1_from_confusion) == pytest.approx(best)


def test_unknown_speakers_give_a_score_and_no_interval(corpus):
    table, units = corpus
    some = units.by_id.where(units.by_id != "s3", "")
    sums = sum_classes([table], units_of(some), CLASSES)
    value, interval = estimate(sums, uar_from_confusion, "share")
    assert value == pytest.approx(uar(table))
    assert np.isnan([interval.low, interval.high]).all()
    assert interval.missing == "speakers unknown"
    assert sums.num_units is None
    assert estimate_difference(sums, sums, uar_from_confusion)[1].missing == "speakers unknown"


def test_sessions_are_the_units_where_each_speaker_has_but_one():
    speakers = pd.Series(["s1F", "s1M", "s2F", "s2M"], index=list("wxyz"))
    paired = units_of(speakers, pd.Series(["1", "1", "2", "2"], index=speakers.index))
    assert paired.kind == "session"
    assert paired.of(["w", "z"]).tolist() == ["1", "2"]
    crossed = units_of(
        speakers.replace("s2M", "s1M"), pd.Series(["1", "1", "2", "2"], index=list("wxyz"))
    )
    assert crossed.kind == "speaker"
    own = units_of(speakers, pd.Series(["1", "2", "3", "4"], index=speakers.index))
    assert own.kind == "speaker"
