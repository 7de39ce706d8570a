"""The page of doubtful labels in Chromium: heard, decided by keys, and exported."""

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.report.doubtful import made_audit
from tests.report.test_browser import ILLEGIBLE, OVERFLOWING
from tokser.corpora.relabel import read_decisions
from tokser.report.doubtful_page import doubtful_page
from tokser.report.embedded_audio import Recording, embedded_audio

IDS = ["utt0", 'with "quotes", and commas', "</script>", "utt3"]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    audit = made_audit(ids=IDS)
    tone = np.sin(np.arange(16_000) / 5).astype(np.float32) / 4
    recordings = {IDS[0]: Recording(embedded_audio(tone)), IDS[1]: Recording("", "no such file")}
    text = doubtful_page(
        audit,
        audit.doubtful,
        title="toy",
        root=Path("/corpora/with a rather long name/of a folder"),
        files={name: f"wav/{name}.wav" for name in IDS},
        said={IDS[0]: "Der Lappen liegt auf dem Eisschrank."},
        recordings=recordings,
    )
    file = tmp_path_factory.mktemp("doubtful") / "doubtful.html"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def opened(open_page, page_file):
    """Opens the page in one of the widths and colour schemes."""
    return lambda *seen, **options: open_page(page_file, *seen, **options)


def downloaded(page, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.click("#download")
    path = folder / waiting.value.suggested_filename
    shutil.move(waiting.value.path(), path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["phone", "desk"])
def test_the_page_fits_and_its_text_is_legible(opened, width, scheme):
    page = opened(width, scheme)
    assert page.evaluate(OVERFLOWING) == []
    sides = "() => [document.documentElement.scrollWidth, innerWidth]"
    assert (widths := page.evaluate(sides))[0] <= widths[1]
    assert page.evaluate(ILLEGIBLE) == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_core_finds_no_violation(opened, scheme):
    page = opened("desk", scheme)
    page.evaluate("() => document.querySelectorAll('details').forEach(e => { e.open = true; })")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def test_keys_alone_decide_and_the_decisions_are_exported(opened, tmp_path):
    page = opened()
    page.focus("#begin")
    page.keyboard.press("Enter")
    for key in ("s", "y", "x", "1", "k", "u"):
        page.keyboard.press(key)
    assert page.inner_text("#count") == "3 of 4 decided"
    path = downloaded(page, tmp_path)
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert rows == [
        ["id", "label", "decision", "new_label"],
        [IDS[0], "anger", "change", "neutral"],
        [IDS[1], "neutral", "keep", ""],
        [IDS[3], "anger", "keep", ""],
    ]
    assert [one.id for one in read_decisions(path)] == [IDS[0], IDS[1], IDS[3]]


def test_a_mouse_decides_as_well(opened, tmp_path):
    page = opened()
    first = page.locator("article").first
    first.locator("select").select_option("sadness")
    page.locator("article").nth(2).locator("input[value=remove]").check()
    found = read_decisions(downloaded(page, tmp_path))
    assert [(one.decision, one.new_label) for one in found] == [
        ("change", "sadness"),
        ("remove", ""),
    ]


def test_decisions_survive_a_reload_and_can_be_cleared(opened):
    page = opened()
    page.click("#begin")
    page.keyboard.press("2")
    page.reload()
    assert page.inner_text("#count") == "1 of 4 decided"
    assert page.locator("article select").first.input_value() == "neutral"
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#clear")
    assert page.inner_text("#count") == "0 of 4 decided"
    page.click("#download")
    assert page.inner_text("#count") == "Nothing is decided yet."


def test_a_key_plays_and_stops_the_recording(opened):
    page = opened()
    page.click("#begin")
    page.keyboard.press("p")
    page.wait_for_function("() => document.querySelector('audio').duration > 0.9")
    page.keyboard.press("p")
    page.wait_for_function("() => document.querySelector('audio').paused")
    page.keyboard.press("j")
    page.keyboard.press("p")
    said = page.text_content("#said")
    assert said == f"The recording of {IDS[1]} is not in this page."


def test_a_recording_that_is_stopped_at_once_is_no_fault(opened):
    page = opened()
    page.click("#begin")
    for _ in range(6):
        page.keyboard.press("p")
    page.wait_for_function("() => document.querySelector('audio').paused")


def test_keys_do_nothing_outside_of_utterances(opened):
    page = opened()
    for key in ("y", "x", "1", "p", "j"):
        page.keyboard.press(key)
    page.locator("article select").first.focus()
    page.keyboard.press("x")
    assert page.inner_text("#count") == "0 of 4 decided"


def test_without_scripts_everything_is_readable(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("article").count() == 4
    assert page.locator("audio").count() == 1
    assert "write a CSV with the columns id, label" in page.inner_text("noscript")
