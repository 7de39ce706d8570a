"""Tables of the page in Chromium: sorted by a heading, filtered by words."""

import time

import pytest

from tokser.config import ReportSettings
from tokser.report.inputs import read_inputs
from tokser.report.page import render

ROWS = (
    "tbody => [...tbody.rows].filter(r => !r.hidden).map(r => [...r.cells].map(c => c.innerText))"
)


def page_of(folders, *results):
    file = folders.root / "report.html"
    settings = ReportSettings(results=results)
    file.write_text(render(settings, read_inputs(results)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def file(make_folders):
    folders = make_folders()
    features = [f"whisper-base/layer-{i}" for i in (2, 10, 1)] + [f"other-{i}" for i in range(9)]
    first = folders.results(features=features)
    more = folders.results("more", features=["unscored/x"], protocols=["random"])
    return page_of(folders, first, more)


@pytest.fixture
def table(open_page, file):
    """The scores: rows that are shown, and the page."""
    page = open_page(file)
    found = page.locator("table[data-sortable]").first
    return found, lambda: found.locator("tbody").evaluate(ROWS)


def column(rows, place):
    return [row[place] for row in rows]


def test_numbers_are_sorted_highest_first_and_back(table):
    found, rows = table
    first, heading = rows(), found.get_by_role("button", name="UAR").first
    heading.click()
    scores = column(rows()[:-1], 1)
    assert scores == sorted(scores, key=lambda text: float(text.split()[0]), reverse=True)
    assert found.locator("th[aria-sort]").evaluate_all("all => all.map(e => e.ariaSort)") == [
        "descending"
    ]
    assert rows()[-1][:2] == ["unscored/x", "not scored"]
    heading.click()
    assert column(rows()[:-1], 1) == scores[::-1]
    assert rows()[-1][:2] == ["unscored/x", "not scored"]
    heading.click()
    assert rows() == first
    assert found.locator("th[aria-sort]").count() == 0


def test_keys_sort_names_in_their_natural_order(table):
    found, rows = table
    found.get_by_role("button", name="Features").focus()
    found.page.keyboard.press("Enter")
    names = column(rows(), 0)
    assert [name for name in names if "layer" in name] == [
        f"whisper-base/layer-{i}" for i in (1, 2, 10)
    ]
    found.page.keyboard.press("Space")
    assert column(rows(), 0) == names[::-1]


def test_intervals_are_sorted_by_their_scores(table):
    found, rows = table
    found.get_by_role("button", name="95 %").first.click()
    by_interval = rows()
    found.get_by_role("button", name="UAR").first.click()
    assert rows() == by_interval


def test_rows_are_filtered_by_all_words_and_counted(table):
    found, rows = table
    field = found.page.get_by_label("Filter rows").first
    field.fill("LAYER  whisper")
    assert len(rows()) == 3
    status = found.page.get_by_role("status").first
    assert status.inner_text() == "3 of 13 rows"
    found.get_by_role("button", name="UAR").first.click()
    assert len(rows()) == 3
    assert status.inner_text() == "Sorted by UAR, descending"
    field.fill("nothing like it")
    assert rows() == []
    assert status.inner_text() == "0 of 13 rows"
    field.press("Escape")
    assert len(rows()) == 13


def test_print_shows_rows_that_are_filtered_out(table):
    found, _ = table
    found.page.get_by_label("Filter rows").first.fill("layer")
    found.page.emulate_media(media="print")
    shown = found.locator("tbody tr").evaluate_all("all => all.map(r => r.offsetHeight > 0)")
    assert shown == [True] * 13
    assert not found.page.get_by_label("Filter rows").first.is_visible()


def test_tables_of_few_rows_have_no_filter(open_page, make_folders):
    folders = make_folders()
    page = open_page(page_of(folders, folders.probes()))
    assert page.get_by_label("Filter rows").count() == 0
    assert page.locator("table[data-sortable]").count() == 2


@pytest.mark.slow
def test_five_thousand_rows_open_and_sort_quickly(open_page, make_folders):
    folders = make_folders()
    file = page_of(folders, folders.probes(num_layers=5_531, encoder="feature-"))
    begun = time.monotonic()
    page = open_page(file)
    opened = time.monotonic() - begun
    page.get_by_role("button", name="UAR").click()
    assert page.locator("tbody tr").first.locator("th").inner_text().endswith("feature-5530")
    assert opened < 8, "5,531 rows should open in less than 2 s on a quiet machine"
