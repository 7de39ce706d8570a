import json
from datetime import datetime

from tokser.classify.ledger import Ledger
from tokser.classify.protocols import Split
from tokser.provenance import digest_of

SPLIT = Split("03", ("a",), ("b",), ("d", "c"))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_look_is_one_line_that_says_when_and_at_what(tmp_path):
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


def test_a_shared_ledger_tells_how_many_other_runs_had_looked(tmp_path):
    shared = tmp_path / "all" / "ledger.jsonl"
    other = Split("03", (), (), ("z",))
    for run in ("one", "two", "one"):
        Ledger(tmp_path / f"{run}.jsonl", shared=shared, run=run).record(SPLIT, features="f")
    three = Ledger(tmp_path / "three.jsonl", shared=shared, run="three")
    three.record(SPLIT)
    three.record(SPLIT)
    three.record(other)
    assert [entry["other_runs"] for entry in lines(tmp_path / "one.jsonl")] == [0, 1]
    assert [entry["other_runs"] for entry in lines(tmp_path / "two.jsonl")] == [1]
    assert [entry["other_runs"] for entry in lines(tmp_path / "three.jsonl")] == [2, 2, 0]
    assert [entry["run"] for entry in lines(shared)] == ["one", "two", "one", *["three"] * 3]


def test_a_torn_line_of_the_shared_ledger_is_no_look(tmp_path):
    shared = tmp_path / "ledger.jsonl"
    Ledger(tmp_path / "a.jsonl", shared=shared, run="a").record(SPLIT)
    with shared.open("ab") as file:
        file.write(b'{"run": "b", "test_di')
    Ledger(tmp_path / "c.jsonl", shared=shared, run="c").record(SPLIT)
    assert [entry["run"] for entry in lines(shared)] == ["a", "c"]
