import numpy as np
import pandas as pd
import pytest

from tokser.experiments.splits.protocols import Split
from tokser.experiments.splits.sharing import (
    Groups,
    crossing_pairs,
    first_labels,
    missing_classes,
    parts_of,
    untrained_labels,
    used_ids,
    worst_shared,
)


def random_folds(whole, seed, number=40):
    rng = np.random.default_rng(seed)
    ids = [f"u{i}" for i in range(number)]
    splits = []
    for fold in range(5):
        order = list(rng.permutation(ids))
        train = order[15:] if whole else order[15 : 20 + fold]
        splits.append(Split(str(fold), tuple(train), tuple(order[:6]), tuple(order[6:15])))
    values = pd.Series(rng.choice(["", *"abcdefghijklmnopqrst"], number), index=ids)
    return ids, splits, values


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_sets_of_values_give(whole, seed):
    ids, splits, values = random_folds(whole, seed)
    folds, groups = parts_of(splits, ids), Groups.of(values)
    assert all((parts.train is None) == whole for parts in folds)

    def shared(split):
        seen = set(values.loc[[*split.train, *split.dev]]) - {""}
        return seen & set(values.loc[list(split.test)])

    assert worst_shared(folds, groups) == tuple(sorted(max(map(shared, splits), key=len)))
    wanted = [
        f"{split.fold} {part}: {', '.join(lacking)}"
        for split in splits
        for part in ("train", "dev", "test")
        if (lacking := sorted(set(values) - {""} - set(values.loc[list(getattr(split, part))])))
    ]
    assert list(missing_classes(folds, groups)) == wanted


@pytest.mark.parametrize("whole", [True, False])
def test_pairs_cross_between_test_and_the_others_alone(whole):
    ids, splits, _ = random_folds(whole, 9)
    first, second = np.triu_indices(len(ids), 1)
    most, places = crossing_pairs(parts_of(splits, ids), first, second, len(ids))
    crossing = [
        {frozenset((a, b)) for a in (*split.train, *split.dev) for b in split.test}
        for split in splits
    ]
    assert most == max(map(len, crossing))
    assert {frozenset((ids[first[k]], ids[second[k]])) for k in places} == set().union(*crossing)


def test_ids_in_use_and_the_first_labels():
    split = Split("x", ("a", "b", "c"), ("d",), ("e",))
    assert used_ids([split], set("abcdef")) == set("abcde")
    assert first_labels(split, dict.fromkeys("abc", "anger")) == ["anger"]
    assert first_labels(split, {"a": "anger", "b": "fear"}) == ["anger", "fear"]
    labels = {"a": "anger", "b": "fear", "c": "fear", "e": "sadness"}
    assert untrained_labels(split, labels) == ["sadness"]
    assert untrained_labels(split, labels | {"e": "fear"}) == []
