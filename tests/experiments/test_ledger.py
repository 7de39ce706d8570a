import errno
import json
import os
import threading
from datetime import datetime

import pytest

from tokser.errors import InputError, RunError
from tokser.experiments.ledger import Ledger, shared_ledger
from tokser.experiments.splits.protocols import Split
from tokser.provenance import digest_of

SPLIT = Split("03", ("a",), ("b",), ("d", "c"))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def evaluations(path):
    return [entry for entry in lines(path) if "test_ids" not in entry]


def at(ids):
    """A split with these test utterances."""
    return Split("f", (), (), tuple(ids))


def test_an_evaluation_is_one_line_that_says_when_and_of_what(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger(path).record(SPLIT, features="größe", configuration={"batch_size": 4})
    (entry,) = lines(path)
    assert datetime.fromisoformat(entry.pop("when")).tzinfo is not None
    assert entry == {
        "fold": "03",
        "test_digest": digest_of(["c", "d"]),
        "features": "größe",
        "configuration": {"batch_size": 4},
    }


def test_reopened_it_only_grows(tmp_path):
    path = tmp_path / "ledger.jsonl"
    before = b""
    for number in range(3):
        Ledger(path).record(SPLIT, number=number)
        after = path.read_bytes()
        assert after.startswith(before) and len(after) > len(before)
        before = after
    assert [entry["number"] for entry in lines(path)] == [0, 1, 2]


def test_the_digest_tells_test_parts_apart_and_not_their_order(tmp_path):
    path = tmp_path / "ledger.jsonl"
    for test in (("c", "d"), ("d", "c"), ("c", "e")):
        Ledger(path).record(Split("f", (), (), test))
    same, again, other = (entry["test_digest"] for entry in lines(path))
    assert same == again != other


def test_a_line_that_a_crash_cut_short_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger(path).record(SPLIT, number=0)
    with path.open("ab") as file:
        file.write(b'{"when": "2025-')
    Ledger(path).record(SPLIT, number=1)
    assert [entry["number"] for entry in lines(path)] == [0, 1]


COUNTS = ("other_runs", "other_runs_identical", "other_evaluations", "overlap")


@pytest.fixture
def evaluate(tmp_path):
    """Let a run evaluate a test set; returns what it was told of the others."""
    shared = tmp_path / "all" / "ledger.jsonl"

    def run(name, ids, dataset="emodb", **options):
        ledger = Ledger(tmp_path / f"{name}.jsonl", shared=shared, run=name, **options)
        ledger.record(at(ids), dataset=dataset)
        return tuple(lines(tmp_path / f"{name}.jsonl")[-1][count] for count in COUNTS)

    run.shared = shared
    return run


def test_a_shared_ledger_counts_other_runs_of_the_set(evaluate):
    assert evaluate("one", "abcd") == (0, 0, 0, 0)
    assert evaluate("two", "dcba") == (1, 1, 1, 1)
    assert evaluate("one", "abcd") == (1, 1, 1, 1)
    assert evaluate("three", "abcd") == (2, 2, 3, 1)
    assert [entry["run"] for entry in evaluations(evaluate.shared)] == [
        "one",
        "two",
        "one",
        "three",
    ]


def test_one_utterance_fewer_is_the_same_test_data(evaluate):
    evaluate("one", "abcdefghij")
    assert evaluate("two", "abcdefghi") == (1, 0, 1, 1)
    assert evaluate("three", "abcdefghijk") == (2, 0, 2, round(10 / 11, 4))


def test_a_tenth_of_the_smaller_set_is_an_overlap(evaluate):
    twenty = [f"u{i}" for i in range(20)]
    evaluate("one", twenty)
    assert evaluate("two", [*twenty[:2], *(f"v{i}" for i in range(18))]) == (1, 0, 1, 0.1)
    assert evaluate("three", [twenty[9], *(f"w{i}" for i in range(19))]) == (0, 0, 0, 0.05)
    assert evaluate("four", [twenty[9]]) == (2, 0, 2, 1)  # all of the smaller one, twice


def test_the_share_is_that_of_all_other_sets_together(evaluate):
    evaluate("one", "ab")
    evaluate("two", "bc")
    assert evaluate("three", "abcd") == (2, 0, 2, 0.75)


def test_another_dataset_may_call_its_utterances_alike(evaluate):
    evaluate("one", "abcd")
    assert evaluate("two", "abcd", dataset="iemocap") == (0, 0, 0, 0)
    assert evaluate("three", "abcd", dataset="iemocap") == (1, 1, 1, 1)


def test_the_ids_of_a_set_are_kept_once(evaluate):
    for name, ids in (("one", "ab"), ("two", "ba"), ("one", "ab"), ("three", "abc")):
        evaluate(name, ids)
    sets = [entry for entry in lines(evaluate.shared) if "test_ids" in entry]
    assert [entry["test_ids"] for entry in sets] == [["a", "b"], ["a", "b", "c"]]
    known = {entry["test_digest"] for entry in sets}
    assert {entry["test_digest"] for entry in evaluations(evaluate.shared)} == known
    assert not any("test_ids" in entry for entry in lines(evaluate.shared.parents[1] / "one.jsonl"))


def test_a_run_at_work_hears_of_others_that_began_after_it(evaluate, tmp_path):
    early = Ledger(tmp_path / "early.jsonl", shared=evaluate.shared, run="early")
    evaluate("late", "ab")
    early.record(at("ab"), dataset="emodb")
    assert lines(tmp_path / "early.jsonl")[0]["other_runs"] == 1


def test_what_others_add_is_read_once(evaluate, tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "own.jsonl", shared=evaluate.shared, run="own")
    parsed = []
    monkeypatch.setattr(
        "tokser.experiments.ledger._entry",
        lambda line, where: parsed.append(line) or json.loads(line),
    )
    for number in range(8):
        ledger.record(at("ab"), number=number)
    assert len(parsed) == len(set(parsed)) == 8  # the ids, and all evaluations but the last


def test_a_ledger_without_ids_still_counts_identical_sets(evaluate):
    old = {"test_digest": digest_of(["a", "b"]), "dataset": "emodb", "other_runs": 0}
    evaluate.shared.parent.mkdir()
    evaluate.shared.write_text("".join(json.dumps(old | {"run": r}) + "\n" for r in "xyy"))
    before = evaluate.shared.read_bytes()
    assert evaluate("newest", "abc")[0] == 0  # of the old set only the digest is known
    assert evaluate("new", "ba") == (3, 2, 4, 1)
    assert evaluate("newer", "a") == (4, 0, 5, 1)  # since "new" its ids are known
    assert evaluate.shared.read_bytes().startswith(before)


def test_where_earlier_versions_shared_it_is_read_and_left_alone(evaluate, tmp_path):
    earlier = tmp_path / "results.jsonl"
    entry = {"test_digest": digest_of(["a", "b"]), "dataset": "emodb", "run": "x"}
    earlier.write_text(json.dumps(entry) + "\n" + '{"torn')
    before = earlier.read_bytes()
    assert evaluate("new", "ab", earlier=[earlier, tmp_path / "none"]) == (1, 1, 1, 1)
    assert evaluate("again", "ab", earlier=[earlier], former="x") == (1, 1, 1, 1)  # of "new"
    assert earlier.read_bytes() == before


def test_a_torn_line_of_the_shared_ledger_is_no_evaluation(evaluate):
    evaluate("a", "ab")
    with evaluate.shared.open("ab") as file:
        file.write(b'{"run": "b", "test_di')
    assert evaluate("c", "ab")[0] == 1
    assert [entry["run"] for entry in evaluations(evaluate.shared)] == ["a", "c"]


def test_a_crash_after_the_ids_loses_nothing(evaluate):
    evaluate("a", "ab")
    whole = evaluate.shared.read_bytes()
    evaluate.shared.write_bytes(whole[: whole.index(b"\n") + 9])  # the ids, and a torn line
    assert evaluate("b", "ab") == (0, 0, 0, 0)
    assert len(lines(evaluate.shared)) == 2


@pytest.mark.parametrize("line", ["3", "no json", '{"test_ids": "ab"}', "\xff"])
def test_a_broken_line_is_named_before_any_evaluation(evaluate, tmp_path, line):
    evaluate("a", "ab")
    with evaluate.shared.open("a", encoding="latin-1") as file:
        file.write(f"{line}\n")
    before = evaluate.shared.read_bytes()
    with pytest.raises(
        InputError, match=r"ledger\.jsonl, line 3: expected a JSON object.*--ledger"
    ):
        Ledger(tmp_path / "b.jsonl", shared=evaluate.shared, run="b")
    assert evaluate.shared.read_bytes() == before


def test_a_disk_without_file_locks_is_one_sentence(evaluate, tmp_path, monkeypatch):
    def no_locks(fd):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("filelock._unix.lock_fd_nonblocking", no_locks)
    with pytest.raises(RunError, match=r"lock: expected a disk with file locks, got .*--ledger"):
        Ledger(tmp_path / "a.jsonl", shared=evaluate.shared, run="a")


def test_runs_that_write_at_once_lose_nothing(evaluate, tmp_path):
    def work(name):
        ledger = Ledger(tmp_path / f"{name}.jsonl", shared=evaluate.shared, run=name)
        for fold in range(5):
            ledger.record(at([f"{fold}"]), dataset="emodb")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(evaluate.shared)) == 5 + 15  # every test set's ids once
    told = [entry["other_runs"] for entry in evaluations(evaluate.shared)]
    assert sorted(told) == [0] * 5 + [1] * 5 + [2] * 5


def test_the_shared_ledger_lies_in_the_workspace_of_the_store(tmp_path, monkeypatch):
    out = tmp_path / "elsewhere" / "results" / "x"
    (tmp_path / "w" / "stores").mkdir(parents=True)
    found = tmp_path / "w" / "ledger.jsonl"
    assert shared_ledger(str(tmp_path / "w" / "stores" / "emodb.zarr"), out) == found
    assert shared_ledger(str(tmp_path / "w" / "emodb.h5"), out) == found
    (tmp_path / "link.zarr").symlink_to(tmp_path / "w" / "stores" / "emodb.zarr")
    assert shared_ledger(str(tmp_path / "link.zarr"), out) == found
    monkeypatch.chdir(tmp_path / "w")
    assert shared_ledger("feats.zarr", out) == found


def test_a_read_only_workspace_has_it_beside_the_results(tmp_path, monkeypatch, capsys):
    out = tmp_path / "results" / "x"
    beside = tmp_path / "results" / "ledger.jsonl"
    assert shared_ledger("s3://bucket/emodb.zarr", out) == beside
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert shared_ledger(str(tmp_path / "emodb.zarr"), out) == beside
    assert "cannot be written" in capsys.readouterr().err
