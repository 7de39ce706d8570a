"""Swap tests against scipy and against swaps that are written out."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from tokser.experiments.statistics.metrics import uar_from_confusion
from tokser.experiments.statistics.permutation import compare_all, smallest_p, step_down
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.statistics.unit_sums import UnitSums, sum_classes

CLASSES = ["a", "b"]
FIRST = np.array([0.9, 0.8, 0.7, 0.9, 0.6, 0.8, 0.7, 0.9])
SECOND = np.array([0.7, 0.8, 0.5, 0.8, 0.7, 0.6, 0.6, 0.7])


def predictions(hits, num_each=20):
    """`hits` is the share of right ones of each speaker, half of either class."""
    rows, speakers = [], {}
    for number, share in enumerate(hits):
        for i in range(num_each):
            label = CLASSES[i % 2]
            right = i // 2 < round(share * num_each / 2)
            rows.append((f"{number}-{i}", label, label if right else "ba"[i % 2]))
            speakers[f"{number}-{i}"] = f"s{number:02d}"
    units = SamplingUnits("speaker", pd.Series(speakers))
    return pd.DataFrame(rows, columns=["id", "label", "prediction"]), units


def sums_of(hits):
    """Sums of speakers with 1,000 utterances of either class, exactly so many of them right."""
    sums = np.zeros((len(hits), 1, 2, 2))
    sums[:, 0, [0, 1], [0, 1]] = 1000 * np.asarray(hits)[:, None]
    sums[:, 0, [0, 1], [1, 0]] = 1000 * (1 - np.asarray(hits))[:, None]
    return UnitSums(sums, 2000.0 * len(hits))


def compare(systems, seed=0):
    return compare_all(systems, uar_from_confusion, seed=seed)


def test_two_systems_get_the_exact_test_of_flipped_signs():
    (found,) = compare({"x": sums_of(FIRST), "y": sums_of(SECOND)})
    expected = permutation_test(
        (FIRST, SECOND),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert found.p == pytest.approx(expected.pvalue)
    assert found.p_adjusted == found.p
    assert found.difference == pytest.approx((FIRST - SECOND).mean())
    assert found.low < found.difference < found.high


def uar(truth, guess):
    return np.mean([(guess[truth == name] == name).mean() for name in CLASSES])


@pytest.mark.slow
def test_whole_speakers_are_swapped_and_pairs_share_their_swaps():
    """Three systems: p and its adjustment from predictions that are swapped one by one."""
    tables = {}
    for name, hits in {"x": FIRST, "y": SECOND, "z": SECOND[::-1] - 0.1}.items():
        tables[name], units = predictions(hits)
    found = compare({name: sum_classes([t], units, CLASSES) for name, t in tables.items()})
    pairs = list(itertools.combinations(tables, 2))
    clusters = sorted(set(units.by_id))
    differences = []
    for swapped in itertools.product([False, True], repeat=len(clusters)):
        who = units.of(tables["x"]["id"]).map(dict(zip(clusters, swapped, strict=True))).to_numpy()
        row = []
        for a, b in pairs:
            first, second = tables[a], tables[b]
            one = first["prediction"].where(~who, second["prediction"])
            other = second["prediction"].where(~who, first["prediction"])
            row.append(uar(first["label"], one) - uar(first["label"], other))
        differences.append(row)
    t = np.abs(differences)
    t /= np.sqrt((t**2).mean(axis=0))
    for number, comparison in enumerate(found):
        assert comparison.p == pytest.approx((t[:, number] >= t[0, number] - 1e-9).mean())
    order = np.argsort(-t[0])
    raw = [(t[:, order[i:]].max(axis=1) >= t[0, order[i]] - 1e-9).mean() for i in range(3)]
    expected = dict(zip(order, np.maximum.accumulate(raw), strict=True))
    assert [c.p_adjusted for c in found] == pytest.approx([expected[i] for i in range(3)])


def test_equal_predictions_do_not_differ():
    (found,) = compare({"x": sums_of(FIRST), "y": sums_of(FIRST)})
    assert (found.p, found.p_adjusted, found.low, found.high) == (1, 1, 0, 0)


def test_random_swaps_agree_with_the_exact_test(monkeypatch):
    systems = {"x": sums_of(FIRST), "y": sums_of(SECOND)}
    (exact,) = compare(systems)
    monkeypatch.setattr("tokser.experiments.statistics.permutation._MAX_EXACT", 2)
    found = [compare(systems, seed)[0].p for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert found[0] == pytest.approx(exact.p, abs=0.015)
    assert found[0] > 0


@pytest.mark.slow
def test_a_true_null_hypothesis_is_rejected_at_the_level():
    """Family-wise: seven equally good systems are 21 pairs, of which one false find counts."""
    rng = np.random.default_rng(0)
    alone, together = 0, 0
    for _ in range(200):
        level = rng.normal(0.6, 0.1, 8)
        hits = {str(i): np.clip(level + rng.normal(0, 0.08, 8), 0, 1) for i in range(7)}
        found = compare({name: sums_of(h) for name, h in hits.items()})
        alone += found[0].p <= 0.05
        together += any(c.p_adjusted <= 0.05 for c in found)
    assert 0.01 <= alone / 200 <= 0.1
    assert together / 200 <= 0.09


def test_step_down_takes_the_largest_of_what_is_left():
    statistics = np.array([[3.0, 1, 2, 0], [2, 3, 1, 1], [1, 0, 3, 1]])
    # Of all three 3 of 4 swaps hold a 3; without the first, 3 reach 2; the last alone: 3 reach 1.
    assert step_down(statistics) == [0.75, 0.75, 0.75]
    assert step_down(statistics[[1, 0]]) == [0.5, 0.5]
    assert step_down(statistics[:1]) == [0.25]


@pytest.mark.parametrize("num_units", [4, 5, 6])
def test_too_few_speakers_give_a_reason_and_no_p(num_units):
    far = {"x": sums_of(np.full(num_units, 0.9)), "y": sums_of(np.linspace(0.1, 0.3, num_units))}
    (found,) = compare(far)
    assert smallest_p(num_units) == 2 / 2**num_units
    if num_units == 6:
        assert (found.p, found.no_test) == (2 / 64, "")
    else:
        assert (found.p, found.p_adjusted) == (None, None)
        bound = {4: "0.125", 5: "0.0625"}[num_units]
        assert found.no_test == f"{num_units} speakers: p cannot be below {bound}"
    assert found.low < found.difference < found.high


def test_one_system_has_nothing_to_be_compared_with():
    assert compare({"x": sums_of(FIRST)}) == []
