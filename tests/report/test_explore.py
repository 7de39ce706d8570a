"""Map, errors and recordings of a page, from the folders on disk."""

import json
import shutil

import pytest
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import ReportSettings
from tokser.errors import InputError, MissingInputError, SettingsError, StoreMismatchError
from tokser.report.explore import explore
from tokser.report.inputs import read_inputs
from tokser.report.sections import find_sections
from tokser.stages.embed_recordings import embed_recordings

pytestmark = pytest.mark.slow


def panels(*results, attention=(), **settings):
    asked = ReportSettings(results=results, **settings)
    sections = find_sections(read_inputs(results))
    (section,) = explore(sections, asked, embed_recordings, dict(attention))
    return {panel.title: panel for panel in section.panels if panel.title in TITLES}


TITLES = ("Map of utterances", "Errors, the most confident first", "Utterances, one by one")
MAP, ERRORS, SINGLE = TITLES


def test_a_map_shows_every_test_utterance(explorable):
    found = panels(explorable.results, map="auto")
    interactive = found[MAP].interactive
    assert len(interactive.data["ids"]) == 48
    assert interactive.content["map"].features == "whisper-tiny/layer-1"
    assert "Placed by whisper-tiny/layer-1." in interactive.content["caption"]
    assert set(interactive.data["speaker"]) == {"s0", "s1", "s2", "s3"}


def test_another_feature_can_place_the_utterances(explorable):
    by = {
        name: panels(explorable.results, map=name)[MAP].interactive.data["x"]
        for name in ("whisper-tiny/layer-1", "whisper-tiny/layer-2")
    }
    assert by["whisper-tiny/layer-1"] != by["whisper-tiny/layer-2"]
    both = "whisper-tiny/layer-1 + whisper-tiny/layer-2"
    assert panels(explorable.results, map=both)[MAP].interactive.content["map"].features == both


@pytest.mark.parametrize(("name", "said"), [("layer-9", "layer-9"), ("*/layer-*", "got 2")])
def test_features_that_place_nothing_are_refused(explorable, name, said):
    with pytest.raises(InputError, match=said):
        panels(explorable.results, map=name)


def test_without_a_map_there_are_errors_all_the_same(explorable):
    found = panels(explorable.results, errors=3)
    assert MAP not in found
    (table,) = found[ERRORS].tables
    assert len(table.rows) == 3
    assert table.columns[-1].name == "Transcript"
    ((_, shown),) = found[SINGLE].interactive.content["lists"]
    assert [one.id for one in shown] == [row[0] for row in table.rows]
    assert "--audio N" in found[SINGLE].note


def test_no_errors_are_listed_where_none_are_wanted(explorable):
    assert panels(explorable.results, errors=0) == {}


def test_recordings_beyond_the_errors_are_doubtful_hits(explorable):
    found = panels(explorable.results, errors=1, audio=48, roots=(explorable.root,))
    (_, errors), (heading, correct) = found[SINGLE].interactive.content["lists"]
    assert "least confident" in heading
    assert len(errors) + len(correct) == 48
    assert all(one.recording for one in [*errors, *correct])
    assert "48 recordings" in found[SINGLE].note


def test_a_missing_store_leaves_the_errors(explorable, tmp_path, capsys):
    results = _moved(explorable.results, tmp_path)
    found = panels(results, map="auto", audio=2)
    assert MAP not in found
    assert "Without speakers and transcripts" in found[ERRORS].note
    said = " ".join(capsys.readouterr().err.split())
    assert "no map and no recordings" in said and "Name it with --store" in said


def test_a_store_elsewhere_is_named(explorable, tmp_path):
    results = _moved(explorable.results, tmp_path)
    assert MAP in panels(results, map="auto", stores=(str(explorable.store.path),))


def test_a_store_of_other_utterances_is_refused(explorable, stores):
    other = tokser.pool(stores.complete(stores.manifest(20)))
    with pytest.raises(StoreMismatchError, match="a store without 29 of them"):
        panels(explorable.results, map="auto", stores=(str(other.path),))
    with pytest.raises(MissingInputError):
        panels(explorable.results, stores=("nowhere.zarr",))


def test_a_folder_of_the_corpus_that_is_none_is_refused(explorable):
    with pytest.raises(MissingInputError, match="--root nowhere: expected the folder of a corpus"):
        panels(explorable.results, audio=1, roots=("nowhere",))


def test_a_map_without_a_page_is_said(explorable, tmp_path, capsys):
    tokser.report(explorable.results, map=True, formats="md", out=tmp_path / "tables")
    assert "which only the page has" in " ".join(capsys.readouterr().err.split())


def test_a_store_that_changed_since_is_said(explorable, tmp_path, capsys):
    results = tmp_path / "results"
    shutil.copytree(explorable.results, results)
    stamp = json.loads((results / "provenance.json").read_text())
    stamp["inputs"]["whisper-tiny/layer-1"] = "another"
    _replace(results, stamp)
    assert MAP in panels(results, map="auto")
    assert "has changed since" in " ".join(capsys.readouterr().err.split())


def test_attention_maps_are_linked(explorable):
    first = panels(explorable.results)[SINGLE].interactive.content["lists"][0][1][0].id
    found = panels(explorable.results, attention={f"attention-{first}": "attention-1"})
    assert found[SINGLE].interactive.content["lists"][0][1][0].attention == "attention-1"


def test_numbers_have_no_map(folders, capsys):
    results = folders.regression(targets=("valence",))
    assert panels(results, map="auto") == {}
    assert "no map" in capsys.readouterr().err


def test_the_command_writes_a_page_with_everything(explorable, tmp_path):
    out = tmp_path / "page.html"
    words = ["report", str(explorable.results), "--map", "--audio", "2", "--out", str(out)]
    run = CliRunner().invoke(main, [*words, "--root", str(explorable.root)])
    assert run.exit_code == 0, run.output
    page = out.read_text(encoding="utf-8")
    assert page.count("data:audio/ogg;base64,") == 2
    assert 'id="emodb-map"' in page
    assert explorable.odd not in page


def test_the_call_takes_true_for_a_map(explorable, tmp_path):
    page = tokser.report(explorable.results, map=True, out=tmp_path / "page.html")
    assert 'id="emodb-map"' in page.read_text(encoding="utf-8")
    plain = tokser.report(explorable.results, map=False, errors=0, out=tmp_path / "plain.html")
    assert "utterance-map" not in plain.read_text(encoding="utf-8").partition("</style>")[2]


def test_errors_are_a_table_of_files(explorable, tmp_path):
    tokser.report(explorable.results, formats="csv", errors=4, out=tmp_path / "tables")
    lines = (tmp_path / "tables" / "emodb-errors.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 5
    assert lines[0].startswith("Utterance,Label,Prediction")


def test_bad_input_leaves_the_page_as_it_was(explorable, tmp_path):
    out = tmp_path / "page.html"
    out.write_text("mine")
    with pytest.raises(SettingsError):
        tokser.report(explorable.results, map="layer-9", out=out)
    assert out.read_text() == "mine"


def _moved(results, folder):
    """Copy results whose store is gone."""
    copy = folder / "results"
    shutil.copytree(results, copy)
    stamp = json.loads((copy / "provenance.json").read_text())
    stamp["settings"]["store"] = str(folder / "gone.zarr")
    _replace(copy, stamp)
    return copy


def _replace(results, stamp) -> None:
    from tokser.checksummed_folder import ChecksummedFolder

    ChecksummedFolder(results).put({"provenance.json": json.dumps(stamp).encode()})
