import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.errors import InputError, SettingsError
from tokser.experiments.splits.protocols import PROTOCOLS, follows_seed, make_splits


def corpus(num_speakers: int, *, sessions: bool = False, per_speaker: int = 6) -> pd.DataFrame:
    rows = [
        {
            "id": f"utt-{speaker}-{i}",
            "speaker": f"s{speaker:02d}",
            "session": str(speaker // 2 + 1) if sessions else "",
            "label": ("anger", "neutral", "sadness")[i % 3],
        }
        for speaker in range(num_speakers)
        for i in range(per_speaker)
    ]
    return pd.DataFrame(rows).set_index("id")


def speakers(table, ids):
    return set(table.loc[list(ids), "speaker"])


def assert_is_partition(split, table):
    parts = [*split.train, *split.dev, *split.test]
    assert len(parts) == len(set(parts))
    assert set(parts) == set(table.index)


def test_random_cuts_emodb_into_374_107_54(emodb):
    (split,) = make_splits("random", emodb, seed=0)
    assert (len(split.train), len(split.dev), len(split.test)) == (374, 107, 54)
    assert_is_partition(split, emodb)


def test_random_tests_554_of_iemocaps_5531():
    labels = np.repeat(["angry", "happy", "neutral", "sad"], [1_103, 1_636, 1_708, 1_084])
    table = pd.DataFrame({"label": labels, "speaker": "s", "session": "1"})
    table.index = pd.Index([f"utt{i}" for i in range(len(table))], name="id")
    (split,) = make_splits("random", table, seed=0)
    assert len(split.test) == 554


def test_random_is_stratified(emodb):
    (split,) = make_splits("random", emodb, seed=3)
    counts = emodb["label"].value_counts()
    for part in (split.train, split.dev, split.test):
        found = emodb.loc[list(part), "label"].value_counts()
        assert (found - counts * len(part) / 535).abs().max() < 1


def test_the_random_split_follows_its_seed(emodb):
    assert make_splits("random", emodb, seed=0) == make_splits("random", emodb, seed=0)
    tests = {make_splits("random", emodb, seed=seed)[0].test for seed in range(5)}
    assert len(tests) == 5


@settings(max_examples=10)
@given(seed=st.integers(0, 99), protocol=st.sampled_from(["random", "speaker"]))
def test_the_order_of_the_rows_changes_nothing(emodb, seed, protocol):
    shuffled = emodb.sample(frac=1, random_state=seed)
    assert make_splits(protocol, shuffled, seed=1) == make_splits(protocol, emodb, seed=1)


def test_random_refuses_classes_that_cannot_be_stratified():
    table = corpus(4)
    table.iloc[0, table.columns.get_loc("label")] = "fear"
    with pytest.raises(
        InputError,
        match=r"protocol random: expected at least 10 utterances of every class .*"
        r"got sadness \(8\), anger \(7\), fear \(1\).* use the protocol `speaker`",
    ) as caught:
        make_splits("random", table[table["label"] != "neutral"], seed=0)
    assert caught.value.exit_code == 2


def test_every_class_of_ten_gets_into_every_part():
    counts = {"anger": 10, "fear": 10, "neutral": 413}
    table = pd.DataFrame({"label": np.repeat(list(counts), list(counts.values()))})
    table = table.assign(speaker="s", session="")
    table.index = pd.Index([f"utt{i:03d}" for i in range(len(table))], name="id")
    for seed in range(20):
        (split,) = make_splits("random", table, seed=seed)
        for part in (split.train, split.dev, split.test):
            assert set(table.loc[list(part), "label"]) == set(counts)


def test_speaker_tests_each_speaker_of_emodb_once(emodb):
    folds = make_splits("speaker", emodb, seed=0)
    assert [fold.fold for fold in folds] == sorted(emodb["speaker"].unique())
    for fold in folds:
        assert speakers(emodb, fold.test) == {fold.fold}
        assert_is_partition(fold, emodb)
    assert sorted(id_ for fold in folds for id_ in fold.test) == sorted(emodb.index)


@given(num_speakers=st.integers(3, 12), sessions=st.booleans())
def test_parts_share_no_speaker(num_speakers, sessions):
    num_speakers *= 2 if sessions else 1
    table = corpus(num_speakers, sessions=sessions)
    for fold in make_splits("speaker", table, seed=0):
        train, dev, test = (speakers(table, p) for p in (fold.train, fold.dev, fold.test))
        assert train and dev and test
        assert train.isdisjoint(dev) and train.isdisjoint(test) and dev.isdisjoint(test)


@pytest.mark.parametrize(("num_speakers", "num_dev"), [(3, 1), (7, 1), (8, 2), (10, 2)])
def test_two_speakers_make_dev_from_eight_speakers_on(num_speakers, num_dev):
    table = corpus(num_speakers)
    for number, fold in enumerate(make_splits("speaker", table, seed=0)):
        following = {f"s{(number + i) % num_speakers:02d}" for i in range(1, num_dev + 1)}
        assert speakers(table, fold.dev) == following


def test_with_sessions_one_is_left_out_and_the_next_is_dev():
    table = corpus(10, sessions=True)
    folds = make_splits("speaker", table, seed=0)
    assert [fold.fold for fold in folds] == ["1", "2", "3", "4", "5"]
    for number, fold in enumerate(folds):
        assert set(table.loc[list(fold.dev), "session"]) == {str((number + 1) % 5 + 1)}
        assert set(table.loc[list(fold.test), "session"]) == {fold.fold}
        assert len(speakers(table, fold.test)) == 2


def test_the_seed_does_not_move_the_speakers(emodb):
    assert make_splits("speaker", emodb, seed=0) == make_splits("speaker", emodb, seed=9)


def test_two_speakers_are_too_few():
    with pytest.raises(
        InputError, match=r"expected at least 3 values of `speaker`.*got 2 \(s00, s01\)\. Complete"
    ):
        make_splits("speaker", corpus(2), seed=0)


def test_unknown_speakers_are_no_speaker():
    table = corpus(5)
    table.iloc[:3, table.columns.get_loc("speaker")] = ""
    with pytest.raises(
        InputError,
        match=r"at least 3 values of `speaker`.*got utterances without one: utt-0-0, utt",
    ):
        make_splits("speaker", table, seed=0)


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(
        SettingsError,
        match="--protocol: expected one of random, speaker, fixed, text, kfold, got 'x'",
    ):
        make_splits("x", corpus(4), seed=0)


@pytest.mark.parametrize("nothing", ["", None])
def test_missing_labels_are_named(nothing):
    table = corpus(4)
    table.iloc[[1, 4], table.columns.get_loc("label")] = nothing
    with pytest.raises(
        InputError,
        match=r"labels: expected a label for every utterance, got none for utt-0-1, utt-0-4\. "
        r"Classify a corpus with emotion labels",
    ):
        make_splits("speaker", table, seed=0)


def test_one_class_is_nothing_to_classify():
    with pytest.raises(InputError, match="expected at least two classes, got anger"):
        make_splits("speaker", corpus(4).assign(label="anger"), seed=0)


def test_no_utterance_at_all_is_said_so():
    with pytest.raises(InputError, match="expected at least two classes, got no utterance at all"):
        make_splits("random", corpus(4).iloc[:0], seed=0)


def sentences(table, ids):
    return set(table.loc[list(ids), "sentence"])


def test_fixed_is_the_published_split_of_emodb(emodb):
    (split,) = make_splits("fixed", emodb, seed=0)
    assert speakers(emodb, split.train) == {"03", "08", "09", "10"}
    assert speakers(emodb, split.dev) == {"11", "13"}
    assert speakers(emodb, split.test) == {"12", "14", "15", "16"}
    assert_is_partition(split, emodb)


def test_fixed_knows_speakers_that_lost_their_zeros(emodb):
    plain = emodb.assign(speaker=emodb["speaker"].str.lstrip("0"))
    assert make_splits("fixed", plain, seed=0) == make_splits("fixed", emodb, seed=0)


def test_fixed_tests_the_last_session_of_iemocap():
    table = corpus(10, sessions=True)
    (split,) = make_splits("fixed", table, seed=0)
    found = [set(table.loc[list(p), "session"]) for p in (split.train, split.dev, split.test)]
    assert found == [{"1", "2", "3"}, {"4"}, {"5"}]


def test_fixed_names_the_speakers_that_are_missing(emodb):
    with pytest.raises(InputError, match=r"got none beside them, 12, 14 missing\. .*--splits"):
        make_splits("fixed", emodb[~emodb["speaker"].isin(["12", "14"])], seed=0)


def test_text_shares_neither_speaker_nor_sentence(emodb):
    folds = make_splits("text", emodb, seed=0)
    assert len(folds) == 20
    for fold in folds:
        assert sentences(emodb, fold.test).isdisjoint(sentences(emodb, [*fold.train, *fold.dev]))
        parts = [speakers(emodb, p) for p in (fold.train, fold.dev, fold.test)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set().union(*parts)) == 10
    assert sorted(id_ for fold in folds for id_ in fold.test) == sorted(emodb.index)


def test_text_needs_two_sentences(emodb):
    with pytest.raises(
        InputError, match=r"protocol text: expected at least 2 values of `sentence`"
    ):
        make_splits("text", emodb[emodb["sentence"] == "a01"], seed=0)


@pytest.mark.parametrize("group_by", ["speaker", "sentence"])
def test_kfold_deals_whole_groups_and_tests_each_once(emodb, group_by):
    folds = make_splits("kfold", emodb, seed=3, num_folds=4, group_by=group_by)
    assert [fold.fold for fold in folds] == ["fold-1", "fold-2", "fold-3", "fold-4"]
    for fold in folds:
        assert_is_partition(fold, emodb)
        parts = [set(emodb.loc[list(p), group_by]) for p in (fold.train, fold.dev, fold.test)]
        assert sum(map(len, parts)) == 10
    assert sorted(id_ for fold in folds for id_ in fold.test) == sorted(emodb.index)


def test_kfold_follows_the_seed_alone(emodb):
    shuffled = emodb.sample(frac=1, random_state=1)
    first = make_splits("kfold", emodb, seed=1)
    assert make_splits("kfold", shuffled, seed=1) == first
    assert make_splits("kfold", emodb, seed=2) != first
    assert {p for p in PROTOCOLS if follows_seed(p)} == {"random", "kfold"}


def test_kfold_refuses_more_folds_than_groups_and_other_groups(emodb):
    with pytest.raises(InputError, match=r"at least 11 values of `speaker`"):
        make_splits("kfold", emodb, seed=0, num_folds=11)
    with pytest.raises(SettingsError, match=r"--group-by: expected speaker, session or sentence"):
        make_splits("kfold", emodb, seed=0, group_by="sex")


def test_random_may_be_drawn_without_strata(emodb):
    (split,) = make_splits("random", emodb, seed=0, stratify=False)
    assert (len(split.train), len(split.dev), len(split.test)) == (374, 107, 54)
    assert_is_partition(split, emodb)
    assert [split] == make_splits("random", emodb[::-1], seed=0, stratify=False)
    most = [
        emodb.loc[
            list(make_splits("random", emodb, seed=seed, stratify=False)[0].test), "label"
        ].value_counts()["anger"]
        for seed in range(12)
    ]
    assert len(set(most)) > 3  # stratified, there are 13 every time
    assert max(most) >= 16  # which is what the paper's scores tell of theirs


def test_without_strata_ten_utterances_are_enough():
    table = corpus(4)
    table.iloc[0, table.columns.get_loc("label")] = "fear"
    (split,) = make_splits("random", table, seed=0, stratify=False)
    assert_is_partition(split, table)
    with pytest.raises(InputError, match=r"at least 10 utterances .* got 6"):
        make_splits("random", table[:6], seed=0, stratify=False)
