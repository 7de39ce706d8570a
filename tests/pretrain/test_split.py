import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.errors import InputError
from tokser.pretrain.split import mismatched_speech, split_train_dev


def table(splits: list[str] | None, speakers: list[str]) -> pd.DataFrame:
    ids = [f"u{i}" for i in range(len(speakers))]
    columns = {"speaker": speakers} | ({} if splits is None else {"split": splits})
    return pd.DataFrame(columns, index=pd.Index(ids, name="id"))


def parts(splits, speakers, **kwargs):
    utterances = table(splits, speakers)
    options = {"dev_fraction": 0.25, "seed": 0} | kwargs
    return split_train_dev(utterances, list(utterances.index), **options)


def test_named_parts_are_kept_and_test_is_unused():
    splits = ["train-clean-100", "dev-clean", "test-clean", "train-other-500", "dev-other"]
    assert parts(splits, list("abcde")) == (["u0", "u3"], ["u1", "u4"])


@pytest.mark.parametrize("splits", [None, [""] * 12, ["train-clean-100"] * 12])
def test_without_dev_part_speakers_are_held_out_by_seed(splits):
    speakers = list("abcdabcdabcd")
    train, dev = parts(splits, speakers)
    assert sorted(train + dev) == sorted(f"u{i}" for i in range(12))
    spoken = {part: {speakers[int(u[1:])] for u in ids} for part, ids in enumerate((train, dev))}
    assert len(spoken[1]) == 1 and not spoken[0] & spoken[1]
    assert parts(splits, speakers) == (train, dev)
    assert len({tuple(parts(splits, speakers, seed=s)[1]) for s in range(20)}) == 4


def test_test_utterances_are_never_trained_on_nor_held_out():
    splits = ["train-clean-100"] * 6 + ["test-clean"] * 6
    train, dev = parts(splits, list("abcabc" + "defdef"))
    assert sorted(train + dev) == [f"u{i}" for i in range(6)]


def test_someone_is_left_to_train_on_however_much_is_held_out():
    train, dev = parts(None, ["a", "b", "a", "b"], dev_fraction=0.9)
    assert len(train) == len(dev) == 2


def test_dev_has_two_utterances_for_mismatched_speech():
    train, dev = parts(None, ["a", "b", "c", "d"])
    assert len(train) == len(dev) == 2
    with pytest.raises(InputError, match="two of them in dev, got 1 to train on, 1 to select"):
        parts(None, ["a", "b"])


@pytest.mark.parametrize("splits", [None, ["test-clean"] * 3])
def test_an_empty_part_is_an_error_that_says_what_to_extract(splits):
    with pytest.raises(InputError, match=r"at least two speakers.*got 3|got 0.*dev-clean"):
        parts(splits, ["a", "a", "a"])


@given(said=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=40), seed=st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_mismatched_speech_says_something_else(said, seed):
    ids = [f"u{i}" for i in range(len(said))]
    transcripts = pd.Series(said, index=ids)
    mismatched = mismatched_speech(ids, transcripts, seed=seed)
    assert sorted(mismatched) == sorted(mismatched.values()) == sorted(ids)
    assert all(name != other for name, other in mismatched.items())
    if 2 * transcripts.value_counts().max() <= len(ids):
        assert all(transcripts[name] != transcripts[other] for name, other in mismatched.items())
    assert mismatched == mismatched_speech(ids, transcripts, seed=seed)


def test_one_utterance_has_no_mismatched_speech():
    with pytest.raises(InputError, match="at least two utterances"):
        mismatched_speech(["u0"], pd.Series(["a"], index=["u0"]), seed=0)
