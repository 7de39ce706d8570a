"""The gap between groups against scipy, against gaps written out, and with equal groups."""

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_ind

from tokser.experiments.statistics.largest_gap import (
    MOST_EXACT,
    GroupedSums,
    arrange,
    gap_interval,
    gaps_of,
    scores_of,
)
from tokser.experiments.statistics.metrics import accuracy_from_confusion

WOMEN = np.array([0.9, 0.8, 0.95, 0.9, 0.7])
MEN = np.array([0.7, 0.75, 0.6, 0.8, 0.65])


def accuracies(hits, group, unit=None, num_each=1000):
    """Sums of cells of which so large a share is right."""
    hits = np.asarray(hits, dtype=float)
    sums = np.zeros((len(hits), 1, 2, 2))
    sums[:, 0, 0, 0], sums[:, 0, 0, 1] = num_each * hits, num_each * (1 - hits)
    units = np.arange(len(hits)) if unit is None else np.asarray(unit)
    groups = np.asarray(group)
    return GroupedSums(sums, groups, units, int(groups.max()) + 1, float(num_each * len(hits)))


def one_stratum(group):
    return np.zeros(len(group), dtype=np.int64)


def test_two_groups_get_scipys_exact_permutation_test():
    grouped = accuracies([*WOMEN, *MEN], [0] * 5 + [1] * 5)
    arrangements = arrange(grouped.group, one_stratum(grouped.group), seed=0)
    [gaps] = gaps_of([grouped], arrangements, accuracy_from_confusion)
    expected = permutation_test(
        (WOMEN, MEN),
        lambda a, b, axis: np.abs(np.mean(a, axis=axis) - np.mean(b, axis=axis)),
        permutation_type="independent",
        alternative="greater",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert arrangements.is_exact
    assert len(gaps) == 252
    assert np.mean(gaps >= gaps[0] - 1e-9) == pytest.approx(expected.pvalue)
    assert arrangements.smallest_p == pytest.approx(2 / 252)


def test_independent_groups_get_welchs_interval():
    grouped = accuracies([*WOMEN, *MEN], [0] * 5 + [1] * 5)
    gap, interval = gap_interval(grouped, 0, 1, accuracy_from_confusion, "speaker")
    expected = ttest_ind(WOMEN, MEN, equal_var=False).confidence_interval(0.95)
    assert gap == pytest.approx(WOMEN.mean() - MEN.mean())
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))
    assert interval.num_units == 10


def test_sentences_that_both_groups_say_are_left_out_together():
    # Each sentence is as hard for both: the difference is the same, whatever is left out.
    hits = np.array([0.9, 0.5, 0.7, 0.4, 0.8])
    grouped = accuracies([*hits, *(hits - 0.1)], [0] * 5 + [1] * 5, [*range(5), *range(5)])
    assert not grouped.is_nested
    gap, interval = gap_interval(grouped, 0, 1, accuracy_from_confusion, "sentence")
    assert gap == pytest.approx(0.1)
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1))


def test_few_units_have_no_interval_and_say_of_what():
    grouped = accuracies([0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 0, 1, 1])
    _, interval = gap_interval(grouped, 0, 1, accuracy_from_confusion, "speaker")
    assert interval.missing == "fewer than 4 speakers in a group"


@pytest.mark.parametrize(
    ("group", "num", "same"),
    [
        ([0, 0, 1, 1], 6, 2),  # equal sizes: names may be exchanged
        ([0, 1, 1, 1], 4, 1),
        ([0, 1, 2], 6, 6),
        ([0, 0, 1, 1, 2, 2], 90, 6),
    ],
)
def test_smallest_p_counts_groups_under_other_names(group, num, same):
    found = arrange(np.array(group), one_stratum(group), seed=0)
    assert len(np.unique(found.groups, axis=0)) == len(found.groups) == num
    assert found.groups[0].tolist() == group
    assert found.smallest_p == pytest.approx(same / num)


def test_groups_are_exchanged_within_strata_alone():
    group, strata = np.array([0, 1, 0, 1, 1]), np.array([0, 0, 1, 1, 2])
    found = arrange(group, strata, seed=0)
    assert sorted(map(tuple, found.groups)) == [
        (0, 1, 0, 1, 1), (0, 1, 1, 0, 1), (1, 0, 0, 1, 1), (1, 0, 1, 0, 1)
    ]  # fmt: skip
    many = arrange(np.tile([0, 1, 2], 20), np.repeat([0, 1], 30), seed=1)
    assert not many.is_exact
    for part in (many.groups[:, :30], many.groups[:, 30:]):
        assert (np.sort(part, axis=1) == np.sort(part[0])).all()


def test_costly_cells_get_fewer_arrangements():
    group = np.arange(200) % 2
    cheap, costly = (arrange(group, one_stratum(group), seed=0, size=n) for n in (1, 10**6))
    assert (len(cheap.groups), len(costly.groups)) == (4_096, 500)
    assert len(cheap.groups) == MOST_EXACT


def test_scores_of_groups_are_averaged_over_seeds():
    grouped = accuracies([0.5, 1.0, 0.0], [0, 0, 1])
    sums = np.concatenate([grouped.sums, grouped.sums[:, :, ::-1, ::-1]], axis=1)
    both = GroupedSums(sums, grouped.group, grouped.unit, 2, 3000.0)
    assert scores_of(grouped, accuracy_from_confusion) == pytest.approx([0.75, 0.0])
    assert scores_of(both, accuracy_from_confusion) == pytest.approx([0.75, 0.0])


@pytest.mark.slow
def test_the_largest_of_many_gaps_is_not_significant_by_chance():
    rng = np.random.default_rng(5)
    rejected, gaps_by_chance = 0, []
    for trial in range(150):
        hits, group = rng.normal(0.7, 0.1, 24), np.arange(24) % 6
        grouped = accuracies(hits, group)
        arrangements = arrange(group, one_stratum(group), seed=trial, size=500_000)
        [gaps] = gaps_of([grouped], arrangements, accuracy_from_confusion)
        rejected += bool(np.mean(gaps >= gaps[0] - 1e-9) <= 0.05)
        gaps_by_chance.append((gaps[0], gaps.mean()))
    assert rejected <= 14  # 7.5 are expected
    observed, expected = np.mean(gaps_by_chance, axis=0)
    assert observed == pytest.approx(expected, rel=0.1)
    assert expected > 0.1  # six groups that do not differ
