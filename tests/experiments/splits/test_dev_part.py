import pandas as pd
import pytest

from tokser.errors import InputError
from tokser.experiments.splits.dev_part import draw_dev
from tokser.experiments.splits.protocols import Split


def corpus(speakers, num_each=5):
    rows = [
        {"id": f"{number}-{i}", "speaker": name, "label": "ab"[i % 2]}
        for number, name in enumerate(speakers)
        for i in range(num_each)
    ]
    table = pd.DataFrame(rows).set_index("id")
    return table, Split("f", tuple(table.index[:-2]), (), tuple(table.index[-2:]))


def test_whole_speakers_are_drawn_up_to_a_fifth_of_train():
    table, split = corpus([f"s{i}" for i in range(11)])
    found = draw_dev(split, table, seed=0)
    assert found.dev_drawn == "speaker"
    assert found.test == split.test
    assert sorted((*found.train, *found.dev)) == sorted(split.train)
    speakers = [set(table.loc[list(part), "speaker"]) for part in (found.train, found.dev)]
    assert not speakers[0] & speakers[1]
    assert len(speakers[1]) == 2  # of 11, 10.6 of 53 utterances being a fifth


def test_it_follows_the_seed_and_not_the_order():
    table, split = corpus([f"s{i}" for i in range(11)])
    backwards = Split("f", split.train[::-1], (), split.test)
    assert draw_dev(backwards, table.iloc[::-1], seed=3) == draw_dev(split, table, seed=3)
    assert len({draw_dev(split, table, seed=seed).dev for seed in range(8)}) > 1


def test_of_two_speakers_one_is_drawn_however_large():
    table, split = corpus(["s0", "s1"], num_each=10)
    found = draw_dev(split, table, seed=0)
    assert set(table.loc[list(found.dev), "speaker"]) in ({"s0"}, {"s1"})
    assert found.train


@pytest.mark.parametrize("speakers", [["s0", ""], ["", ""], ["s0"]])
def test_without_speakers_a_fifth_of_each_class_is_drawn(speakers):
    table, split = corpus(speakers, num_each=40 // len(speakers))
    split = Split("f", tuple(table.index[:30]), (), tuple(table.index[30:]))
    found = draw_dev(split, table, seed=0)
    assert found.dev_drawn == "random"
    assert table.loc[list(found.dev), "label"].value_counts().to_dict() == {"a": 3, "b": 3}


def test_train_keeps_an_utterance_of_each_class():
    table, _ = corpus([""], num_each=4)
    found = draw_dev(Split("f", tuple(table.index[:2]), (), tuple(table.index[2:])), table, seed=0)
    assert (len(found.train), len(found.dev)) == (1, 1)
    with pytest.raises(InputError, match="at least two utterances in train"):
        draw_dev(Split("f", tuple(table.index[:1]), (), tuple(table.index[1:])), table, seed=0)
