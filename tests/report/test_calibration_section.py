"""What the page and the terminal show of calibration."""

import numpy as np
import pandas as pd
import pytest

from tokser.config import ReportSettings
from tokser.experiments.calibration.coverage import coverage_rows
from tokser.experiments.calibration.cross_fit import SetChoice, calibrate_by_speakers
from tokser.experiments.calibration.measures import SeedPredictions
from tokser.experiments.calibration.predicted import Predicted
from tokser.experiments.calibration.tables import (
    CALIBRATION,
    CALIBRATION_TABLES,
    COVERAGE,
    RELIABILITY,
    RISK,
)
from tokser.report.calibration_brief import calibration_brief
from tokser.report.catalogue import figures_of, tables_of
from tokser.report.inputs import read_inputs
from tokser.report.page import render
from tokser.report.sections import find_sections
from tokser.report.summary import summary_tables

CLASSES = ("anger", "neutral", "sadness")
FEATURES = ("whisper-base/layer-6", "best(whisper-base/layer-*)")


def _tables(features=FEATURES, *, by="speakers", stamp="") -> dict:
    rng = np.random.default_rng(0)
    count = 90
    logits = rng.normal(size=(count, 3))
    exact = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    raw = Predicted(
        np.array([f"utt{i}" for i in range(count)], dtype=object),
        exact,
        rng.integers(0, 3, count).astype(np.int64),
        np.array([f"s{i % 5}" for i in range(count)], dtype=object),
    )
    found = calibrate_by_speakers(raw, SetChoice((0.7, 0.9)))
    names = sorted(set(raw.units))
    before, after = (SeedPredictions([one], names, "speaker") for one in (raw, found.predicted))
    rows = {table: [] for table in CALIBRATION_TABLES}
    for name in features:
        key = {"dataset": "emodb", "features": name, "protocol": "speaker", "stamp": stamp}
        key |= {"classifier": "logreg", "num_seeds": 1, "n_test": count}
        for kind, tested in (("raw", before), ("calibrated", after)):
            own = key | {"probabilities": kind}
            about = {"calibrated_by": by, "outputs": "decision values", "temperature": 1.3}
            rows[CALIBRATION].append(own | about | {"note": "at the end"} | tested.measures(3))
            rows[RISK] += [own | row for row in tested.risk()]
            for label, place in (("", None), ("anger", 0), ("sadness", 2)):
                rows[RELIABILITY] += [own | row for row in tested.curve(label, place)]
        for (kind, level), sets in found.sets.items():
            promise = "none: too few" if level == 0.9 else "an utterance of a new speaker"
            own = key | {"calibrated_by": by, "set_score": "lac", "exchangeable": kind}
            own |= {"level": level, "promise": promise}
            rows[COVERAGE] += [own | row for row in coverage_rows(after, [sets], CLASSES)]
    return rows


@pytest.fixture
def calibrated(folders):
    """Makes a folder of results that has the tables of calibration."""

    def make(**options):
        folder = folders.results("emodb", features=["whisper-base/layer-6"])
        for table, own in _tables(**options).items():
            (folder / table.file).write_bytes(table.content(table.frame(own)))
        return folder

    return make


def panels_of(folder):
    (section,) = find_sections(read_inputs([folder]))
    return {panel.title: panel for panel in section.panels}


def test_the_section_shows_its_panels(calibrated):
    panels = panels_of(calibrated())
    assert list(panels) == [
        "Calibration of probabilities",
        "Reliability",
        "Prediction sets",
        "Coverage by speaker",
        "Accuracy where the model is sure",
    ]
    (table,) = panels["Calibration of probabilities"].tables
    assert len(table.rows) == 2 and table.rows[0][0] == FEATURES[0]
    notes = " ".join(table.notes)
    assert "softmax of decision values" in notes and "temperature at the end" in notes
    assert "all others" in panels["Calibration of probabilities"].note


def test_what_dev_selected_is_drawn(calibrated):
    panels = panels_of(calibrated())
    assert "Of 2 configurations" in panels["Reliability"].note
    names = [figure.name for figure in panels["Reliability"].figures]
    assert names == ["emodb-reliability-speaker", "emodb-reliability-speaker-by-class"]
    assert all("best(" in figure.caption for figure in panels["Reliability"].figures)
    assert "% said" in panels["Reliability"].figures[0].drawing.description


def test_sets_are_shown_by_level_and_speaker(calibrated):
    panels = panels_of(calibrated(features=FEATURES[:1]))
    panel = panels["Coverage by speaker"]
    assert [figure.name for figure in panel.figures] == [
        "emodb-coverage-speaker-700",
        "emodb-coverage-speaker-900",
    ]
    (table,) = panels["Prediction sets"].tables
    assert [str(row[-1]) for row in table.rows] == ["yes", "no", "if alike", "no"]
    assert table.notes[1:] == ("Not promised: too few.",)
    groups = next(iter(panel.folded.values()))
    assert [row[0] for row in groups.rows] == [
        *(f"label {name}" for name in CLASSES),
        *(f"speaker s{i}" for i in range(5)),
    ]


@pytest.mark.slow
def test_the_page_and_the_files_have_all_of_it(calibrated, folders):
    folder = calibrated(by="dev", stamp="LEAKS SPEAKERS")
    inputs = read_inputs([folder])
    page = render(ReportSettings(results=(folder,)), inputs)
    assert "Calibration of probabilities" in page and "calibrated by its dev part" in page
    sections = find_sections(inputs)
    tables = {table.name for table in tables_of(sections, inputs)}
    assert {"emodb-calibration", "emodb-coverage", "emodb-coverage-speaker-900-groups"} <= tables
    figures = figures_of(sections, [])
    assert {"emodb-reliability-speaker", "emodb-risk-speaker"} <= set(figures)


def test_a_folder_without_calibration_shows_none(folders):
    folder = folders.results("emodb")
    assert calibration_brief(folder) is None
    assert not panels_of(folder)


def test_the_terminal_shows_errors_and_coverage(calibrated):
    folder = calibrated()
    *_, last = summary_tables(folder)
    assert last == calibration_brief(folder)
    assert last.headings[2:] == (
        *("ECE, %: before", "ECE, %: after"),
        *("sets at 70 %: coverage, %", "sets at 70 %: classes"),
    )
    covered = COVERAGE.read(folder / COVERAGE.file)
    whole = covered[(covered["group_kind"] == "all") & (covered["level"] == 0.7)]
    speakers = whole[whole["exchangeable"] == "speakers"].iloc[0]
    assert last.rows[0][4].value == pytest.approx(speakers["coverage"])
    assert isinstance(covered, pd.DataFrame)
