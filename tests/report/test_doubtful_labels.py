"""Doubtful labels as tables, figure and section."""

import pytest

from tests.report.doubtful import made_audit
from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import ReportSettings
from tokser.experiments.doubtful_labels.table import DOUBTFUL, LABEL_NOISE
from tokser.report.catalogue import figures_of, tables_of
from tokser.report.doubtful_labels import doubtful_table, label_noise_figure, label_noise_table
from tokser.report.inputs import read_inputs
from tokser.report.page import render
from tokser.report.renderers import render_table


@pytest.fixture(scope="module")
def audit():
    return made_audit()


def test_the_most_doubtful_are_listed_with_all_evidence(audit):
    table = doubtful_table(audit.doubtful, "toy-doubtful", "toy", most=2)
    assert [row[0] for row in table.rows] == ["utt0", "utt1"]
    assert [str(cell) for cell in table.rows[0][1:]] == [
        *("anger", "neutral", "model, neighbours"),
        *("10.0", "10.0", "10.0", "80.0"),
    ]
    assert table.rows[1][3] == "nobody"


def test_without_annotators_there_is_no_such_column():
    table = doubtful_table(made_audit(annotators=False).doubtful, "x", "toy")
    assert "Annotators" not in table.headings


def test_noise_is_summed_below_its_pairs(audit):
    table = label_noise_table(audit.noise, "toy-noise", "toy")
    assert [str(cell) for cell in table.rows[0]] == ["anger", "neutral", "2.0", "10.0", "1"]
    assert str(table.totals[2]) == "6.0"
    assert "upper end" in render_table(table, "md")


def test_the_heat_map_says_its_numbers_in_words(audit):
    drawing = label_noise_figure(audit.noise, "toy")
    assert "anger for neutral: 2.0 expected errors" in drawing.description
    assert b"<svg" in drawing.render("svg")


@pytest.mark.parametrize("has_noise", [True, False])
def test_a_folder_is_a_section_of_the_page(audit, tmp_path, has_noise):
    files = {DOUBTFUL.file: DOUBTFUL.content(audit.doubtful)}
    files |= {LABEL_NOISE.file: LABEL_NOISE.content(audit.noise)} if has_noise else {}
    ChecksummedFolder(tmp_path / "toy").put(files)
    read = read_inputs([tmp_path / "toy"])
    page = render(ReportSettings(results=(tmp_path / "toy",)), read)
    assert "toy: doubtful labels" in page
    assert "Of 5 labels, flagged: 1 by the model, 1 by the neighbours, 0 by the annotators" in page
    names = [table.name for table in tables_of([], read)]
    assert names == ["toy-labels-doubtful", "toy-labels-noise"][: 1 + has_noise]
    assert len(figures_of([], [], read.studies)) == has_noise
