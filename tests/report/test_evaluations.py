import json

from tokser.report.evaluations import count_evaluations, evaluations_table
from tokser.report.inputs import read_inputs


def read(*paths):
    return read_inputs(paths).experiments


def test_every_evaluation_and_repetition_is_counted(folders):
    folder = folders.results()
    ledger = folder / "ledger.jsonl"
    ledger.write_text(2 * ledger.read_text())
    found = count_evaluations(read(folder))
    counts = [(x.protocol, x.num_evaluations, x.num_configurations, x.num_repeated) for x in found]
    assert counts == [("speaker", 40, 2, 20), ("random", 4, 2, 2)]


def test_an_evaluation_of_every_fold_is_no_repetition(folders):
    found = count_evaluations(read(folders.results()))
    assert [(x.num_evaluations, x.num_repeated) for x in found] == [(20, 0), (2, 0)]


def test_evaluations_without_a_protocol_are_counted(folders):
    folder = folders.results()
    (folder / "ledger.jsonl").write_text(json.dumps({"when": "now"}) + "\n\n")
    [found] = count_evaluations(read(folder))
    assert found.num_evaluations == 1


def test_the_most_of_earlier_other_runs_is_counted(folders):
    folder = folders.results()
    ledger = folder / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    for number, line in enumerate(lines):
        if line["protocol"] == "random":  # two lines
            line |= {"other_runs": 3 + number, "other_evaluations": 8 - number, "overlap": 0.25}
        else:  # as earlier versions wrote them
            line |= {"other_runs": 1}
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    places = [number for number, line in enumerate(lines) if line["protocol"] == "random"]
    counts = {
        x.protocol: (x.other_runs, x.other_evaluations, x.overlap)
        for x in count_evaluations(read(folder))
    }
    assert counts["speaker"] == (1, None, None)
    assert counts["random"] == (3 + max(places), 8 - min(places), 0.25)


def test_the_table_has_rows_and_totals(folders):
    table = evaluations_table(count_evaluations(read(folders.results())))
    assert [row[1:4] for row in table.rows] == [
        ("Unseen speakers", 20, 2), ("Random split", 2, 2),
    ]  # fmt: skip
    assert table.totals[:5] == ("All", None, 22, None, 0)
    assert evaluations_table([]).notes == ("The ledgers are empty.",)
