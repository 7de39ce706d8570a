import json

import pytest

from tokser.corpora.tables.emobox import find_folds, read_emobox, read_folds
from tokser.errors import ManifestError

LINE = {
    "key": "emodb-03a01Wa",
    "dataset": "emodb",
    "wav": "downloads/emodb/wav/03a01Wa.wav",
    "type": "raw",
    "sample_rate": 16000,
    "num_frame": 30045.0,
    "task": "category",
    "length": 1.8778125,
    "emo": "anger",
    "channel": 1,
}
"""A line of EmoBox's data/emodb/emodb.jsonl."""


@pytest.fixture
def written(tmp_path):
    def write(name, *keys, **changes):
        path = tmp_path / name
        path.write_text("\n".join(json.dumps(LINE | {"key": key} | changes) for key in keys))
        return path

    return write


def test_a_line_of_emobox_is_an_utterance(written):
    (record,) = read_emobox([written("emodb.jsonl", "emodb-03a01Wa")])
    assert record.faults == ()
    assert record.cells == {
        "key": "emodb-03a01Wa",
        "dataset": "emodb",
        "wav": "downloads/emodb/wav/03a01Wa.wav",
        "emo": "anger",
    }


def test_parts_of_one_fold_are_kept(written):
    records = read_emobox(
        [written("emodb_train_fold_1.jsonl", "a", "b"), written("emodb_test_fold_1.jsonl", "c")]
    )
    found = {r.cells["key"]: (r.cells["part"], r.cells.get("fold")) for r in records}
    assert found == {"a": ("train", None), "b": ("train", None), "c": ("test", "1")}


def test_of_several_folds_the_test_fold_is_kept(written):
    paths = [
        written("emodb.jsonl", "a", "b", "c"),
        *(written(f"emodb_train_fold{n}.jsonl", *keys) for n, keys in ((1, "bc"), (2, "ac"))),
        *(written(f"emodb_test_fold{n}.jsonl", key) for n, key in ((1, "a"), (2, "b"))),
    ]
    records = list(read_emobox(paths))
    assert [r.cells.get("fold") for r in records] == ["1", "2", None]
    assert not any("part" in r.cells for r in records)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"emo": ""}, "no 'emo'"),
        ({"wav": None}, "no 'wav'"),
        ({"type": "feature"}, "type 'feature' instead of 'raw' audio"),
    ],
)
def test_what_cannot_be_taken_is_a_fault_of_its_record(written, changes, fault):
    (record,) = read_emobox([written("x.jsonl", "a", **changes)])
    assert record.faults[0].startswith(fault)


def test_a_part_of_a_recording_says_when(written):
    (record,) = read_emobox([written("x.jsonl", "a", start_time=1.5, end_time=2.0)])
    assert record.faults == ()
    assert (record.cells["start_s"], record.cells["end_s"]) == ("1.5", "2.0")


def test_folds_are_found_beside_the_dataset_s_own_file(written, tmp_path):
    own = written("emodb.jsonl", "a", "b")
    assert find_folds([own]) == []
    (tmp_path / "fold_1").mkdir()
    beside = [written(f"fold_1/emodb_{part}_fold_1.jsonl", "a") for part in ("test", "train")]
    written("fold_1/other_test_fold_1.jsonl", "a")
    assert find_folds([own]) == beside
    assert find_folds([own, beside[0]]) == beside[:1]


def test_folds_are_read_by_part_and_in_order(written):
    paths = [
        *(written(f"e_{part}_fold_10.jsonl", key) for part, key in (("train", "a"), ("test", "b"))),
        *(
            written(f"e_{part}_fold_2.jsonl", *keys)
            for part, keys in (("train", "bc"), ("valid", "d"), ("test", "a"))
        ),
    ]
    assert list(read_folds(paths).items()) == [
        ("2", {"train": ("b", "c"), "dev": ("d",), "test": ("a",)}),
        ("10", {"train": ("a",), "test": ("b",)}),
    ]


def test_folds_that_cannot_be_used_are_named_all_at_once(written):
    paths = [
        written("e_train_fold_1.jsonl", "a", "b"),
        written("e_test_fold_1.jsonl", "b"),
        written("e_test_fold_2.jsonl", "a"),
        written("e_train_fold_3.jsonl", ""),
        written("e_test_fold_3.jsonl", "a"),
    ]
    with pytest.raises(ManifestError) as caught:
        read_folds(paths)
    for fault in (
        "fold 1: in test and another part: b",
        "fold 2: no train part",
        "e_train_fold_3.jsonl line 1: no 'key'",
    ):
        assert fault in str(caught.value)
