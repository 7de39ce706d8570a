import pytest

from tokser.errors import SettingsError
from tokser.experiments.feature_expressions import Early, Late, Term, layer_choices, parse

KNOWN = [*(f"w/layer-{i}" for i in (0, 1, 2, 10)), "bert/word", "bert/contextual"]


def names(text, **kwargs):
    return [str(found) for found in parse(text, KNOWN, **kwargs)]


def test_a_name_is_one_feature():
    assert parse("w/layer-2", KNOWN) == [Early((Term("w/layer-2"),))]


def test_a_sum_is_early_fusion_in_the_order_written():
    assert parse("w/layer-2 + bert/word", KNOWN) == [Early((Term("w/layer-2"), Term("bert/word")))]
    assert names("w/layer-2+bert/word") == ["w/layer-2 + bert/word"]


@pytest.mark.parametrize("how", ["mean", "weighted", "best"])
def test_late_forms_hold_sums(how):
    (found,) = parse(f"{how}(w/layer-2 + bert/word, bert/contextual)", KNOWN)
    assert isinstance(found, Late)
    assert found.how == how
    assert [str(member) for member in found.members] == ["w/layer-2 + bert/word", "bert/contextual"]


def test_commas_part_expressions_outside_parentheses():
    text = "bert/word, mean(w/layer-0, bert/word), w/layer-1"
    assert names(text) == ["bert/word", "mean(w/layer-0, bert/word)", "w/layer-1"]


def test_patterns_and_ranges_are_written_out():
    assert names("w/layer-*") == KNOWN[:4]
    assert names("w/layer-1..2") == ["w/layer-1", "w/layer-2"]
    assert names("bert/* + w/layer-0") == ["bert/word + w/layer-0", "bert/contextual + w/layer-0"]
    assert names("best(w/layer-0..2)") == ["best(w/layer-0..2)"]
    assert names("best(w/layer-*)") == ["best(w/layer-0..2, w/layer-10)"]


def test_other_functionals_stand_after_colons():
    assert parse("w/layer-0:mean:q25", KNOWN) == [Early((Term("w/layer-0", ("mean", "q25")),))]
    assert names("w/layer-0:mean") == ["w/layer-0:mean"]
    assert names("w/layer-0:mean:std") == ["w/layer-0"]
    assert names("w/layer-0 + bert/word:max", functionals=("std",)) == [
        "w/layer-0:std + bert/word:max"
    ]


@pytest.mark.parametrize(
    "text", ["best(w/layer-0..2:max)", "mean(w/layer-1 + bert/word:q10, bert/word)", "w/layer-0"]
)
def test_a_name_reads_back_as_what_it_names(text):
    (found,) = parse(text, KNOWN)
    assert parse(str(found), KNOWN) == [found]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("w/layer-3", "got w/layer-3"),
        ("bert/word + nothing/*", r"got nothing/\*"),
        ("median(bert/word, w/layer-0)", r"got median\(\.\.\.\)\. Mean, weighted, best"),
        ("mean(bert/word)", "name at least two|Name at least two"),
        ("bert/word +", "got ''"),
        ("", "got ''"),
        ("mean(bert/word, w/layer-0", "got 'mean"),
        ("bert/word w/layer-0", "got 'bert/word w/layer-0'"),
    ],
)
def test_what_cannot_be_read_is_named(text, told):
    with pytest.raises(SettingsError, match=told):
        parse(text, KNOWN)


def test_layers_of_an_encoder_bring_the_choice_among_them():
    found = parse("w/layer-0..2, bert/*, w/layer-0:max", KNOWN)
    assert [str(late) for late in layer_choices(found)] == ["best(w/layer-0..2)"]
