import pandas as pd
import pytest

from tokser.report.results import read_inputs
from tokser.report.significance import find_families


@pytest.fixture
def table(folders) -> pd.DataFrame:
    features = [f"whisper-base/layer-{i}" for i in range(3)]
    [results], _, _ = read_inputs([folders.results(features=features)])
    return results.comparisons


def test_each_protocol_has_its_pairs_the_largest_difference_first(table):
    families = find_families([table])
    assert [(f.protocol, f.classifier, len(f.pairs)) for f in families] == [
        ("speaker", "mlp", 3), ("random", "mlp", 3),
    ]  # fmt: skip
    for family in families:
        differences = [pair.difference for pair in family.pairs]
        assert differences == sorted(differences, reverse=True)
        assert min(differences) >= 0
        assert (family.num_significant, family.unit, family.no_test) == (3, "speaker", "")


def test_a_pair_turned_round_has_its_interval_turned_round(table):
    worst, best = "whisper-base/layer-0", "whisper-base/layer-2"
    row = table[(table["first"] == worst) & (table["second"] == best)].iloc[0]
    assert row["difference"] < 0
    pair = find_families([table[table["protocol"] == row["protocol"]]])[0].pairs[0]
    assert (pair.better, pair.worse) == (best, worst)
    assert (pair.low, pair.high) == pytest.approx((-row["high"], -row["low"]))
    assert pair.low < pair.difference < pair.high


def test_the_adjusted_p_decides(table):
    (family, *_) = find_families([table.assign(p=0.01, p_adjusted=0.06)])
    assert family.num_significant == 0


def test_without_a_test_there_is_a_reason_and_no_p(table):
    reason = "4 speakers: p cannot be below 0.125"
    (family, *_) = find_families([table.assign(p=None, p_adjusted=None, no_test=reason)])
    assert family.no_test == reason
    assert family.num_significant == 0
    assert {(pair.p, pair.p_adjusted) for pair in family.pairs} == {(None, None)}


def test_without_tables_there_are_no_families():
    assert find_families([]) == []
