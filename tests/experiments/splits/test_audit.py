import json

import pandas as pd
import pytest
from scipy.stats import binomtest

from tokser.experiments.regression import Regression
from tokser.experiments.splits.audit import audit_splits
from tokser.experiments.splits.protocols import Split, make_splits

TABLE = pd.DataFrame(
    {
        "id": list("abcdef"),
        "speaker": ["s1", "s1", "s2", "s2", "s3", "s3"],
        "session": ["1", "1", "1", "1", "2", "2"],
        "transcript": ["Ja.", "Nein.", "Ja.", "", "", "Ja."],
        "label": ["anger", "fear", "anger", "fear", "anger", "anger"],
    }
).set_index("id")


def fold(train, dev, test, name="f"):
    return Split(name, tuple(train), tuple(dev), tuple(test))


def test_a_split_that_shares_nothing_has_no_leak():
    audit = audit_splits([fold("b", "d", "ef")], TABLE)
    assert audit.leaks == ()
    assert audit.stamp == ""
    assert audit.shared == {"speakers": 0, "sessions": 0, "sentences": 0}


@pytest.mark.parametrize("seen", [("ac", "d"), ("d", "ac")])
def test_what_test_shares_with_train_or_dev_is_named_and_counted(seen):
    audit = audit_splits([fold(*seen, "bf")], TABLE)
    assert audit.leaks == ("speakers", "sessions", "sentences")
    assert audit.shared == {"speakers": 1, "sessions": 1, "sentences": 1}
    assert audit.stamp == "LEAKS SPEAKERS"


def test_the_worst_fold_counts():
    audit = audit_splits([fold("b", "d", "ef"), fold("ac", "e", "bd")], TABLE)
    assert audit.shared["speakers"] == 2


def test_unknown_values_are_not_shared():
    audit = audit_splits([fold("ab", "d", "e")], TABLE.assign(session="", speaker=""))
    assert audit.leaks == ()


def test_unknown_speakers_are_stamped():
    audit = audit_splits([fold("ab", "d", "e")], TABLE.assign(speaker=""))
    assert audit.stamp == "SPEAKERS UNKNOWN"
    assert audit.to_json()["unknown_speakers"] == audit.num_utterances == 4
    assert audit.remarks[0].startswith("4 of 4 utterances have no speaker")


def test_of_speakers_unknown_in_part_it_is_said_how_many():
    table = TABLE.assign(speaker=["s1", "", "s2", "s2", "s3", ""])
    assert audit_splits([fold("abc", "d", "e")], table).stamp == "SPEAKERS UNKNOWN (1 OF 5)"
    shared = audit_splits([fold("abc", "e", "d")], table)
    assert shared.stamp == "LEAKS SPEAKERS, SPEAKERS UNKNOWN (1 OF 5)"
    assert audit_splits([fold("ac", "e", "d")], table).unknown_speakers == 0  # b is in no part


def test_unknown_speakers_take_no_leak_of_recordings_away():
    checksums = dict.fromkeys("abcdef", "1")
    audit = audit_splits([fold("ab", "d", "e")], TABLE.assign(speaker=""), recordings=checksums)
    assert audit.stamp == "LEAKS RECORDINGS, SPEAKERS UNKNOWN"


def test_nothing_is_said_of_accuracy_where_numbers_are_predicted():
    audit = audit_splits([fold("b", "d", "ef")], TABLE, task=Regression(()))
    assert audit.remarks == ()
    told = audit.to_json()
    assert not {"points_per_error", "rarest", "missing_classes"} & told.keys()
    assert told["num_test"] == 2


def test_fixed_sentences_go_before_transcripts():
    table = TABLE.assign(sentence=list("abcdef"))
    assert audit_splits([fold("b", "d", "ef")], table).shared["sentences"] == 0
    assert audit_splits([fold("a", "d", "ef")], TABLE).shared["sentences"] == 1


def test_classes_that_a_part_lacks_are_named_by_fold_and_part():
    audit = audit_splits([fold("ab", "c", "ef", name="s3"), fold("ab", "cd", "f", "x")], TABLE)
    assert audit.missing_classes == ("s3 dev: fear", "s3 test: fear", "x test: fear")


def test_one_error_costs_most_in_the_smallest_test_part():
    audit = audit_splits([fold("b", "a", "cdef"), fold("a", "b", "ef")], TABLE)
    assert (audit.num_test, audit.smallest_test, audit.points_per_error) == (6, 2, 50)


def test_it_is_plain_json_with_its_stamp():
    told = json.loads(json.dumps(audit_splits([fold("a", "c", "b")], TABLE).to_json()))
    assert told["stamp"] == "LEAKS SPEAKERS"
    assert told["leaks"] == ["speakers", "sessions"]


def test_emodb_leaks_by_protocol(emodb):
    random = audit_splits(make_splits("random", emodb, seed=0), emodb)
    by_speaker = audit_splits(make_splits("speaker", emodb, seed=0), emodb)
    assert random.leaks == ("speakers", "sentences")
    assert random.points_per_error == pytest.approx(1.85, abs=0.01)
    assert by_speaker.leaks == ("sentences",)
    assert by_speaker.num_test == 535
    assert all(" test: " in fault or " dev: " in fault for fault in by_speaker.missing_classes)


def test_the_same_recording_under_two_ids_is_found_and_named():
    checksums = dict(zip("abcdef", ["1", "2", "3", "4", "5", "1"], strict=True))
    audit = audit_splits(
        [fold("a", "bc", "f")], TABLE.assign(speaker=list("stuvwx")), recordings=checksums
    )
    assert audit.leaks[-1] == "recordings"
    assert audit.examples["recordings"] == ("a = f",)
    assert audit.stamp == "LEAKS RECORDINGS"
    both = audit_splits([fold("a", "bc", "bf")], TABLE, recordings=checksums)
    assert both.stamp == "LEAKS SPEAKERS AND RECORDINGS"


def test_recordings_without_a_checksum_are_not_alike():
    audit = audit_splits([fold("a", "b", "c")], TABLE, recordings={})
    assert audit.shared["recordings"] == 0


def test_what_the_parts_are_too_small_for_is_said(emodb):
    audit = audit_splits(make_splits("random", emodb, seed=0), emodb)
    assert audit.points_to_tell_apart == pytest.approx(600 / 54)
    assert (audit.rarest, audit.num_rarest) == ("disgust", 5)
    assert audit.uar_points_per_error == pytest.approx(100 / 7 / 5)
    accuracy, uar = audit.remarks
    assert "n = 54: one error costs 1.85 points" in accuracy
    assert "under 11.1 points cannot be significant" in accuracy
    assert "5 test utterances of disgust: one error in this class costs 2.86 points of UAR" in uar
    assert audit_splits(make_splits("speaker", emodb, seed=0), emodb).remarks == ()


def test_six_errors_one_way_are_the_fewest_a_sign_test_sees():
    assert binomtest(6, 6).pvalue < 0.05 < binomtest(5, 5).pvalue


def test_seeds_do_not_add_up(emodb):
    folds = [split for seed in range(3) for split in make_splits("random", emodb, seed=seed)]
    audit = audit_splits(folds, emodb, num_seeds=3)
    assert (audit.num_test, audit.num_folds, audit.num_rarest) == (54, 3, 5)
    assert audit.parts == {"train": (374, 374), "dev": (107, 107), "test": (54, 54)}


def test_transcripts_are_compared_by_their_words_alone():
    table = TABLE.assign(transcript=["Ja.", "Nein!", "", "", "", "  JA "])
    audit = audit_splits([fold("a", "d", "f")], table)
    assert audit.examples["sentences"] == ("ja",)


def test_many_folds_are_a_remark():
    audit = audit_splits([fold("ab", "cd", "ef", str(i)) for i in range(101)], TABLE)
    assert "101 folds" in audit.remarks[-1]
    assert "kfold" in audit.remarks[-1]
    assert not audit_splits([fold("ab", "cd", "ef")] * 101, TABLE, num_seeds=101).remarks[2:]
