import json

from tokser.report.audit import count_evaluations, meaning, verdicts
from tokser.report.results import read_inputs


def read(*paths):
    return read_inputs(paths).results


def test_the_audits_stamp_and_leaks_are_told(folders):
    found = verdicts(["random", "speaker"], read(folders.results()))
    assert found["random"].stamp == "LEAKS SPEAKERS"
    assert found["random"].leaks == ("speakers", "sentences")
    assert found["speaker"].stamp == ""
    assert found["speaker"].leaks == ("sentences",)


def test_everything_else_in_the_audit_is_kept_once(folders):
    results = read(folders.results("a"), folders.results("b", seed=1))
    [facts] = verdicts(["random"], results)["random"].facts
    assert facts["shared"]["speakers"] == 10
    assert not {"leaks", "stamp"} & set(facts)


def test_a_protocol_without_audit_is_judged_by_its_results(folders):
    folder = folders.results()
    (folder / "audit.json").write_text("{}")
    found = verdicts(["random", "speaker"], read(folder))
    assert found["random"].stamp == "LEAKS SPEAKERS"
    assert found["speaker"].stamp == ""


def test_every_evaluation_counts_and_repetitions_show(folders):
    folder = folders.results()
    ledger = folder / "ledger.jsonl"
    ledger.write_text(2 * ledger.read_text())
    found = count_evaluations(read(folder))
    counts = [(x.protocol, x.num_evaluations, x.num_configurations, x.num_repeated) for x in found]
    assert counts == [("speaker", 40, 2, 20), ("random", 4, 2, 2)]


def test_an_evaluation_of_every_fold_is_no_repetition(folders):
    found = count_evaluations(read(folders.results()))
    assert [(x.num_evaluations, x.num_repeated) for x in found] == [(20, 0), (2, 0)]


def test_evaluations_that_name_no_protocol_count_too(folders):
    folder = folders.results()
    (folder / "ledger.jsonl").write_text(json.dumps({"when": "now"}) + "\n\n")
    [found] = count_evaluations(read(folder))
    assert found.num_evaluations == 1


def test_the_most_that_other_runs_had_evaluated_before_is_told(folders):
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


def changed(folder, protocol, **changes):
    path = folder / "audit.json"
    audit = json.loads(path.read_text())
    audit[protocol] |= changes
    path.write_text(json.dumps(audit))
    return folder


def test_the_sentence_on_a_protocol_follows_the_verdict(folders):
    plain = verdicts(["random", "speaker"], read(folders.results("a")))
    nobody = "Nobody who is tested was heard in training."
    assert nobody in meaning("speaker", plain["speaker"])
    assert nobody not in meaning("random", plain["random"])
    assert "overstate what a new speaker would get" in meaning("random", plain["random"])
    unknown = changed(folders.results("b"), "speaker", stamp="SPEAKERS UNKNOWN")
    told = verdicts(["speaker"], read(unknown))["speaker"]
    assert nobody not in meaning("speaker", told)
    assert "cannot be told" in meaning("speaker", told)
    leaking = changed(folders.results("c"), "speaker", leaks=["speakers"], stamp="LEAKS SPEAKERS")
    told = verdicts(["speaker"], read(leaking))["speaker"]
    assert nobody not in meaning("speaker", told)
    assert "are heard in training, too" in meaning("speaker", told)


def test_whether_the_random_split_is_stratified_is_told_by_the_settings(folders):
    folder = folders.results()
    usual = verdicts(["random"], read(folder))["random"]
    assert "The paper's was not: on EmoDB it prints 29.63 %" in meaning("random", usual)
    path = folder / "provenance.json"
    content = json.loads(path.read_text())
    content["settings"]["stratify"] = False
    path.write_text(json.dumps(content))
    other = verdicts(["random"], read(folder))["random"]
    assert "not stratified (--no-stratify)" in meaning("random", other)
    content["settings"] |= {"splits_file": "mine.json", "protocols": []}
    path.write_text(json.dumps(content))
    assert "stratified" not in meaning("random", verdicts(["random"], read(folder))["random"])


def test_stamps_of_several_folders_are_joined(folders):
    first = changed(folders.results("a"), "speaker", stamp="SPEAKERS UNKNOWN")
    second = changed(folders.results("b", seed=1), "speaker", stamp="LEAKS RECORDINGS")
    found = verdicts(["speaker"], read(first, second))["speaker"]
    assert found.stamp == "SPEAKERS UNKNOWN, LEAKS RECORDINGS"
    assert not found.parts_speakers
