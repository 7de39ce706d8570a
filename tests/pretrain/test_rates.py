"""Rates and gains by unit, against the tokens themselves and the shared jackknife."""

import math

import numpy as np
import pandas as pd
import pytest

from tokser.intervals import jackknife
from tokser.pretrain.rates import count_matches, dev_units

NUM_TOKENS = np.array([3, 1, 4, 2, 5, 2])
UNITS = np.array([0, 1, 0, 2, 3, 1])


@pytest.fixture
def matched():
    rng = np.random.default_rng(0)
    return {name: rng.random(17) < share for name, share in (("first", 0.7), ("other", 0.3))}


def without_each(matched, name):
    """The rate without each unit's tokens, by leaving them out."""
    unit_of_token = np.repeat(UNITS, NUM_TOKENS)
    return np.array([matched[name][unit_of_token != unit].mean() for unit in range(4)])


def test_a_rate_has_a_jackknife_interval_over_units(matched):
    found = count_matches(matched, NUM_TOKENS, UNITS).rate("rate", "first")
    expected = jackknife(
        matched["first"].mean(), without_each(matched, "first"), scale="share", num_observations=17
    )
    assert found == pytest.approx(
        {"rate": matched["first"].mean(), "rate_low": expected.low, "rate_high": expected.high}
    )
    assert found["rate_low"] < found["rate"] < found["rate_high"]


def test_the_interval_of_a_gain_is_that_of_paired_differences(matched):
    found = count_matches(matched, NUM_TOKENS, UNITS).gain("gain", "first", "other")
    gain = matched["first"].mean() - matched["other"].mean()
    without = without_each(matched, "first") - without_each(matched, "other")
    expected = jackknife(gain, without, scale="difference", num_observations=17)
    assert found == pytest.approx(
        {"gain": gain, "gain_low": expected.low, "gain_high": expected.high}
    )


def test_fewer_than_four_units_have_no_interval(matched):
    found = count_matches(matched, NUM_TOKENS, np.minimum(UNITS, 2)).rate("rate", "first")
    assert found["rate"] == matched["first"].mean()
    assert math.isnan(found["rate_low"]) and math.isnan(found["rate_high"])


@pytest.mark.parametrize(
    ("speakers", "numbers"),
    [
        ("a b c d a", [0, 1, 2, 3, 0]),
        ("a b c c a", [0, 1, 2, 3, 4]),  # three speakers are too few
        ("a b c d -", [0, 1, 2, 3, 4]),  # one is unknown
    ],
)
def test_units_are_speakers_if_four_or_more_are_known(speakers, numbers):
    ids = ["u4", "u0", "u1", "u2", "u3"]
    told = pd.Series([s.strip("-") for s in speakers.split()], index=ids)
    units = dev_units(ids, pd.concat([pd.Series({"train": "z"}), told]))
    assert [units.number_of[name] for name in ids] == numbers
    assert units.are_speakers == (len(set(numbers)) == 4)
