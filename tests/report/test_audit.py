import json

from tokser.report.audit import audit_table, meaning, near_duplicate_tables, verdicts
from tokser.report.inputs import read_inputs
from tokser.report.table import Text


def read(*paths):
    return read_inputs(paths).experiments


def test_a_verdict_has_the_stamp_and_the_leaks(folders):
    found = verdicts(["random", "speaker"], read(folders.results()))
    assert found["random"].stamp == "LEAKS SPEAKERS"
    assert found["random"].leaks == ("speakers", "sentences")
    assert found["speaker"].stamp == ""
    assert found["speaker"].leaks == ("sentences",)


def test_other_facts_of_the_audits_are_kept_once(folders):
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


def changed(folder, protocol, **changes):
    path = folder / "audit.json"
    audit = json.loads(path.read_text())
    audit[protocol] |= changes
    path.write_text(json.dumps(audit))
    return folder


def test_the_meaning_of_a_protocol_follows_its_verdict(folders):
    plain = verdicts(["random", "speaker"], read(folders.results("a")))
    nobody = "No test speaker is in the training set."
    assert nobody in meaning("speaker", plain["speaker"], "emodb")
    assert nobody not in meaning("random", plain["random"], "emodb")
    assert "overstate the performance on new speakers" in meaning(
        "random", plain["random"], "emodb"
    )
    unknown = changed(folders.results("b"), "speaker", stamp="SPEAKERS UNKNOWN")
    found = verdicts(["speaker"], read(unknown))["speaker"]
    assert nobody not in meaning("speaker", found, "emodb")
    assert "is unknown" in meaning("speaker", found, "emodb")
    leaking = changed(folders.results("c"), "speaker", leaks=["speakers"], stamp="LEAKS SPEAKERS")
    found = verdicts(["speaker"], read(leaking))["speaker"]
    assert nobody not in meaning("speaker", found, "emodb")
    assert "Test speakers are also in the training set" in meaning("speaker", found, "emodb")


def test_the_settings_say_whether_a_split_is_stratified(folders):
    folder = folders.results()
    usual = verdicts(["random"], read(folder))["random"]
    assert "The paper's was not: on EmoDB it prints 29.63 %" in meaning("random", usual, "emodb")
    elsewhere = meaning("random", usual, "ravdess")
    assert "stratified by emotion." in elsewhere and "EmoDB" not in elsewhere
    path = folder / "provenance.json"
    content = json.loads(path.read_text())
    content["settings"]["stratify"] = False
    path.write_text(json.dumps(content))
    other = verdicts(["random"], read(folder))["random"]
    assert "not stratified (--no-stratify)" in meaning("random", other, "emodb")
    content["settings"] |= {"splits_file": "mine.json", "protocols": []}
    path.write_text(json.dumps(content))
    assert "stratified" not in meaning(
        "random", verdicts(["random"], read(folder))["random"], "emodb"
    )


def test_stamps_of_several_folders_are_joined(folders):
    first = changed(folders.results("a"), "speaker", stamp="SPEAKERS UNKNOWN")
    second = changed(folders.results("b", seed=1), "speaker", stamp="LEAKS RECORDINGS")
    found = verdicts(["speaker"], read(first, second))["speaker"]
    assert found.stamp == "SPEAKERS UNKNOWN, LEAKS RECORDINGS"
    assert not found.separates_speakers


def test_the_table_has_verdicts_and_numbers(folders):
    found = verdicts(["random", "speaker"], read(folders.results()))
    table = audit_table(found, "t", "Audit")
    stamp = Text("LEAKS SPEAKERS", "stamp")
    assert table.rows[0][:4] == ("Random split", stamp, "10 speakers, 10 sentences", 54)
    assert str(table.rows[0][4]) == "1.9"
    assert table.rows[1][1] == "no speaker leakage"
    assert table.rows[1][5] == "03 test: disgust"


def test_remarks_are_notes_and_near_duplicates_tables(folders):
    near = {"near_duplicates": [["a", "b", 0.9312]], "shared": {"near-duplicates": 1}}
    near["content"] = {"feature": "w/layer-3", "threshold": 0.85, "nearest_below": 0.749}
    folder = changed(folders.results(), "speaker", remarks=["two names"], **near)
    found = verdicts(["speaker"], read(folder))
    assert audit_table(found, "t", "Audit").notes == ("Unseen speakers: two names.",)
    (table,) = near_duplicate_tables(found, "emodb", "EmoDB")
    assert table.name == "emodb-near-duplicates-1"
    assert [str(cell) for cell in table.rows[0]] == ["a", "b", "0.931"]
    assert "at least 0.85" in table.notes[0] and "at most 0.75" in table.notes[0]
