import numpy as np
import pandas as pd
import pytest

from tokser.classify.intervals import averaged, draw_speakers, interval
from tokser.classify.tally import tally_classes

CLASSES = ["a", "b"]


def predictions(hits, num_each):
    """One fold per speaker; `hits` is the share of right ones of each, half of either class."""
    rows, speakers = [], {}
    for number, share in enumerate(hits):
        for i in range(num_each):
            label = CLASSES[i % 2]
            right = i // 2 < round(share * num_each / 2)
            rows.append((f"{number}-{i}", f"f{number}", label, label if right else "ba"[i % 2]))
            speakers[f"{number}-{i}"] = f"s{number:02d}"
    table = pd.DataFrame(rows, columns=["id", "fold", "label", "prediction"])
    return table, pd.Series(speakers)


def tally(hits, num_each=20):
    table, speakers = predictions(hits, num_each)
    return tally_classes(table, speakers, sorted(set(speakers)), CLASSES)


def test_draws_are_as_many_as_speakers_and_follow_the_seed():
    weights = draw_speakers(10, seed=1, num_draws=500)
    assert weights.shape == (500, 10)
    assert set(weights.sum(axis=1)) == {10}
    np.testing.assert_array_equal(weights, draw_speakers(10, seed=1, num_draws=500))
    assert not np.array_equal(weights, draw_speakers(10, seed=2, num_draws=500))
    # Drawing with replacement leaves a speaker out with probability (1 - 1/n)^n.
    assert (weights == 0).mean() == pytest.approx(0.9**10, abs=0.02)


def test_it_is_the_bootstrap_of_the_mean_over_speakers():
    hits = np.array([0.5, 0.6, 0.7, 0.9, 1.0, 0.4])
    weights = draw_speakers(6, seed=0)
    means = weights @ hits / 6
    low, high = interval([tally(hits)], weights)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_it_holds_the_true_value_as_often_as_it_says():
    """Speakers differ; so does their mean from one sample of 30 speakers to the next."""
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        hits = np.clip(rng.normal(0.6, 0.15, 30), 0, 1)
        weights = draw_speakers(30, seed=trial, num_draws=400)
        low, high = interval([tally(hits)], weights)
        held += low <= 0.6 <= high
    assert 0.90 <= held / 200 <= 0.98


def test_one_speaker_gives_no_interval():
    assert np.isnan(interval([tally([0.5])], draw_speakers(1, seed=0))).all()


def test_seeds_are_averaged_within_each_draw():
    weights = draw_speakers(3, seed=0)
    first, second = tally([0.5, 0.6, 0.7]), tally([0.9, 0.8, 0.5])
    together = averaged([first, second], weights)
    apart = [averaged([one], weights) for one in (first, second)]
    np.testing.assert_allclose(together, np.mean(apart, axis=0))
