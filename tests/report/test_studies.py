"""Output folders of studies on the page: recognised, checked, shown."""

import json
import re

import pytest

from tokser.config import ReportSettings
from tokser.errors import InputError
from tokser.experiments.probing.table import PROBES
from tokser.report import studies
from tokser.report.catalogue import figures_of, tables_of
from tokser.report.inputs import read_inputs
from tokser.report.page import render
from tokser.report.renderers import TABLE_FORMATS, html, render_table
from tokser.report.sections import find_sections
from tokser.report.studies import study_sections
from tokser.report.study import FurtherTable, Interactive, Panel
from tokser.report.table import Column, ColumnGroup, Table


@pytest.fixture
def probes(folders):
    return folders.probes()


@pytest.fixture
def similarity(folders):
    return folders.similarity()


def page_of(*results):
    read = read_inputs(results)
    return render(ReportSettings(results=results), read)


def test_studies_are_told_by_their_tables(probes, similarity, folders):
    read = read_inputs([similarity, folders.results(), probes])
    assert [one.kind.command for one in read.studies] == ["similarity", "probe"]
    assert len(read.experiments) == 1
    assert [one.dataset for one in read.studies] == ["alike", "emodb"]


def test_a_page_of_studies_alone_shows_them(probes, similarity):
    text = page_of(probes, similarity)
    assert "EmoDB: what features know" in text
    assert "alike: similarity of features" in text
    assert "7 classes, n = 535, 10 speakers" in text
    assert "tokser probe --store stores/emodb.zarr --seed 3" in text
    assert "Test-set evaluations" not in text
    assert text.count("<svg role=") == 4


def test_tables_and_figures_of_studies_are_files(probes, similarity):
    read = read_inputs([probes, similarity])
    tables = list(tables_of(find_sections(read), read))
    assert [table.name for table in tables] == [
        "emodb-probe-emotion", "emodb-probe-duration",
        "alike-similarity-utterances-nearest", "alike-similarity-utterances-cka",
        "alike-similarity-utterances-r2", "alike-similarity-frames-nearest",
        "alike-similarity-frames-cka", "alike-similarity-frames-r2",
    ]  # fmt: skip
    for table in tables:
        for form in TABLE_FORMATS:
            assert render_table(table, form).endswith("\n")
    assert list(figures_of([], [], read.studies)) == [
        "emodb-probe-emotion", "emodb-probe-duration",
        "alike-similarity-utterances", "alike-similarity-frames",
    ]  # fmt: skip


def test_studies_of_one_corpus_are_told_apart(probes, tmp_path):
    other = tmp_path / "others"
    other.mkdir()
    for name in ("probes.csv", "provenance.json"):
        (other / name).write_bytes((probes / name).read_bytes())
    first, second = study_sections(read_inputs([probes, other]).studies)
    assert (first.name, second.name) == ("emodb-probe-1", "emodb-probe-2")
    assert "(others)" in second.title


def test_a_damaged_study_is_named(probes):
    text = (probes / "probes.csv").read_text()
    (probes / "probes.csv").write_text(text.replace("0.5", "0.6"))
    with pytest.raises(InputError, match=r"probes\.csv.*`tokser probe --out"):
        read_inputs([probes])
    (probes / "probes.csv").unlink()
    with pytest.raises(InputError, match=r"probes\.csv.* got one that is gone"):
        read_inputs([probes])


def test_any_column_may_be_a_target(folders):
    folder = folders.probes(targets=("<b>/../mood", "a b"))
    assert "<b>" not in page_of(folder)
    read = read_inputs([folder])
    names = [table.name for table in tables_of([], read)]
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)


def test_further_tables_of_an_experiment_have_panels(folders, probes, monkeypatch):
    def panels(table, name, title):
        shown = Table(f"{name}-mix", title, (ColumnGroup((Column("Layer"),)),), (("x",),))
        return [Panel("Layers again", tables=[shown])]

    folder = folders.results()
    further = FurtherTable(PROBES, panels)
    for module in ("inputs", "sections"):
        monkeypatch.setattr(f"tokser.report.{module}.FURTHER_TABLES", (further,))
    monkeypatch.setattr(studies, "STUDIES", ())
    (folder / PROBES.file).write_bytes((probes / PROBES.file).read_bytes())
    assert "Layers again" in page_of(folder)


def test_data_of_scripts_cannot_end_their_element(probes, monkeypatch):
    hostile = {"id": "</script><b>&\u2028'\""}
    shown = Interactive("probe-map", "hostile.html.jinja", data=hostile)
    read = read_inputs([probes])
    (section,) = study_sections(read.studies)
    (first, *_) = section.panels
    object.__setattr__(first, "interactive", shown)
    monkeypatch.setattr("tokser.report.page.study_sections", lambda _: [section])
    own = html._template
    monkeypatch.setattr(
        html, "_template", lambda name: "<p>mine</p>" if name.startswith("hostile") else own(name)
    )
    text = render(ReportSettings(results=(probes,)), read)
    (data,) = re.findall(
        r'<script type="application/json" id="probe-map-data">(.*?)</script>', text
    )
    assert json.loads(data) == hostile
    assert "<" not in data and "<p>mine</p>" in text
