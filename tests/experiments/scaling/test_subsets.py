from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.errors import InputError
from tokser.experiments.scaling.sizes import Sizes, find_sizes
from tokser.experiments.scaling.subsets import draw_subsets
from tokser.experiments.splits.protocols import Split, make_splits


def corpus(counts):
    """Utterances of each speaker and class: counts[speaker][class]."""
    rows = [
        (f"s{speaker}", f"c{label}")
        for speaker, of_classes in enumerate(counts)
        for label, count in enumerate(of_classes)
        for _ in range(count)
    ]
    index = pd.Index([f"u{i:03d}" for i in range(len(rows))], name="id", dtype=object)
    return pd.DataFrame(rows, columns=["speaker", "label"], index=index, dtype=object)


def split_of(table):
    return Split("one", tuple(table.index), (), ("elsewhere",))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(*[st.integers(0, 9)] * 3).filter(any), min_size=2, max_size=6),
    st.integers(0, 1000),
)
def test_smaller_subsets_lie_within_larger_ones(counts, seed):
    table = corpus(counts)
    sizes = Sizes(tuple(range(1, len(counts) + 1)), (1, 2, 5, 27))
    drawn = list(
        draw_subsets([split_of(table)], table["speaker"], table["label"], sizes, seed=seed)
    )
    for varied in ("speakers", "utterances"):
        nested = [set(one.train) for one in drawn if one.varied == varied]
        assert all(a <= b for a, b in pairwise(nested))
        assert nested[-1] == set(table.index)
    for one in drawn:
        own = table.loc[list(one.train)]
        assert one.num_speakers == own["speaker"].nunique()
        assert one.classes == tuple(sorted(own["label"].unique()))
        if one.varied == "utterances":
            assert own["speaker"].value_counts().max() <= one.size


@pytest.mark.parametrize("seed", range(5))
def test_each_beginning_has_the_classes_in_proportion(seed):
    table = corpus([(40, 20, 10)] * 2)
    sizes = Sizes((1,), (7, 14, 35))
    for one in draw_subsets([split_of(table)], table["speaker"], table["label"], sizes, seed=seed):
        if one.varied == "utterances":
            own = table.loc[list(one.train)]
            for _, of_speaker in own.groupby("speaker"):
                shares = of_speaker["label"].value_counts() / one.size
                for label, share in zip(("c0", "c1", "c2"), (4 / 7, 2 / 7, 1 / 7), strict=True):
                    assert abs(shares.get(label, 0) - share) * one.size < 2


def test_draws_differ_and_are_the_same_again(emodb):
    folds = make_splits("speaker", emodb, seed=0)
    sizes = find_sizes(folds, emodb["speaker"], 7)

    def drawn(seed):
        return list(draw_subsets(folds, emodb["speaker"], emodb["label"], sizes, seed=seed))

    assert drawn(1) == drawn(1)
    assert [one.train for one in drawn(1)] != [one.train for one in drawn(2)]
    for one in drawn(3):
        assert not set(one.train) & set(folds[one.fold].test)


def test_sizes_of_emodb_reach_from_one_speaker_to_all(emodb):
    folds = make_splits("speaker", emodb, seed=0)
    found = find_sizes(folds, emodb["speaker"], 7)
    assert found.speakers == (1, 2, 3, 4, 6, 9)
    assert found.utterances[0] == 3
    assert found.utterances[-1] == emodb["speaker"].value_counts().max()
    asked = find_sizes(folds, emodb["speaker"], 7, num_speakers=(9, 2, 2), num_utterances=(5,))
    assert (asked.speakers, asked.utterances) == ((2, 9), (5,))


def test_one_training_speaker_is_too_few():
    table = corpus([(2, 2)])
    with pytest.raises(InputError, match="at least 2 training speakers in every fold"):
        find_sizes([split_of(table)], table["speaker"], 2)


def test_numbers_are_drawn_without_classes():
    table = corpus([(5, 5), (5, 5)])
    (one, *_) = draw_subsets([split_of(table)], table["speaker"], None, Sizes((1,), (3,)), seed=0)
    assert one.classes == ()
    assert len(one.train) == 10
    assert np.unique(table.loc[list(one.train), "speaker"]).size == 1
