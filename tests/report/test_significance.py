import pandas as pd
import pytest

from tokser.report.inputs import read_inputs
from tokser.report.significance import comparison_table, find_families
from tokser.report.table import Text
from tokser.report.tasks import CLASSIFICATION

UAR = CLASSIFICATION.headline


@pytest.fixture
def table(folders) -> pd.DataFrame:
    features = [f"whisper-base/layer-{i}" for i in range(3)]
    return read_inputs([folders.results(features=features)]).experiments[0].comparisons


def test_each_protocol_has_its_pairs_the_largest_first(table):
    families = find_families(table)
    assert [(f.protocol, f.classifier, len(f.pairs)) for f in families] == [
        ("speaker", "mlp", 3), ("random", "mlp", 3),
    ]  # fmt: skip
    for family in families:
        differences = [pair.difference for pair in family.pairs]
        assert differences == sorted(differences, reverse=True)
        assert min(differences) >= 0
        assert (family.num_significant, family.unit, family.no_test) == (3, "speaker", "")
        assert family.verdict == "3 of 3 pairs differ at 5 %"


def test_a_reversed_pair_has_its_interval_reversed(table):
    worst, best = "whisper-base/layer-0", "whisper-base/layer-2"
    row = table[(table["first"] == worst) & (table["second"] == best)].iloc[0]
    assert row["difference"] < 0
    pair = find_families(table[table["protocol"] == row["protocol"]])[0].pairs[0]
    assert (pair.better, pair.worse) == (best, worst)
    assert (pair.low, pair.high) == pytest.approx((-row["high"], -row["low"]))
    assert pair.low < pair.difference < pair.high


def test_the_adjusted_p_decides(table):
    (family, *_) = find_families(table.assign(p=0.01, p_adjusted=0.06))
    assert family.num_significant == 0


def test_without_a_test_there_is_a_reason_and_no_p(table):
    reason = "4 speakers: p cannot be below 0.125"
    (family, *_) = find_families(table.assign(p=None, p_adjusted=None, no_test=reason))
    assert family.verdict == f"no test, {reason}"
    assert family.num_significant == 0
    assert {(pair.p, pair.p_adjusted) for pair in family.pairs} == {(None, None)}


def test_without_pairs_there_are_no_families(table):
    assert find_families(table.iloc[:0]) == []


def test_one_family_and_several_as_a_table(table):
    families = find_families(table)
    stamps = {"random": "LEAKS SPEAKERS"}
    one = comparison_table(families[:1], UAR, "t", "Pairs", stamps)
    assert one.headings == ("Better", "Worse", "Difference", "p", "p (max-t)")
    assert one.rows[0][3:] == (".002", Text(".012"))
    every = comparison_table(families, UAR, "t", "Pairs", stamps)
    assert every.headings[:2] == ("Protocol", "Classifier")
    assert {row[2:] for row in every.rows} >= set(one.rows)
    assert every.notes == ("Random split: LEAKS SPEAKERS.",)
