"""Whose labels features have seen, and which tests that spoils."""

import pytest

from tokser.experiments.splits.protocols import Split
from tokser.experiments.splits.seen_labels import names_group, seen_in_test, seen_labels


def told(dataset, *ids):
    return {"dataset": dataset, "ids": list(ids)}


def plan(stores, table, name, **provenance):
    return stores.plan(table, name=name, **provenance)


def test_ids_are_found_however_deep_they_lie(stores):
    table = stores.manifest(6)
    aligned = {"speech": {"tuned_on": told("emodb", "utt001")}, "queries": {"model": "bert"}}
    store = stores.complete(
        table,
        plan(stores, table, "plain"),
        plan(stores, table, "tuned", tuned_on=told("emodb", "utt000", "utt002")),
        plan(stores, table, "run", trained_on=aligned),
        plan(stores, table, "elsewhere", tuned_on=told("iemocap", "utt000")),
    )
    assert seen_labels(store) == {
        "tuned": frozenset({"utt000", "utt002"}),
        "run": frozenset({"utt001"}),
    }


def test_the_worst_fold_is_named():
    folds = [
        Split("a", ("u4",), (), ("u0", "u1"), ""),
        Split("b", ("u0",), (), ("u2", "u3", "u4"), ""),
    ]
    seen = {"tuned": frozenset({"u0", "u2", "u3"}), "honest": frozenset({"u9"})}
    assert seen_in_test(seen, folds) == {"tuned": ("u2", "u3")}


@pytest.mark.parametrize(
    ("expression", "is_named"),
    [
        ("run-1/layer-5", True),
        ("bert/contextual + run-1/layer-5..6", True),
        ("best(run-1/layer-*)", True),
        ("my-run-1/layer-5", False),
        ("run-12/layer-5", False),
        ("mix(a/run-1)", False),
    ],
)
def test_expressions_name_whole_groups(expression, is_named):
    assert names_group(expression, "run-1") is is_named
