"""The page in Chromium: on a phone and on a desk, in light and in dark mode."""

import shutil

import pytest

from tokser.config import ReportSettings
from tokser.report.inputs import read_inputs
from tokser.report.page import render

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO CHROMIUM HERE (apt-get install chromium): the page is not tested in a browser",
)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += [f"--disable-{what}" for what in ("background-networking", "component-update", "sync")]
WIDTHS = {"phone": (375, 812), "desk": (1280, 900)}
MAP = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><title>Attention of utt001</title>'
    '<desc>Four tokens</desc><rect width="40" height="10"/></svg>'
)
ILLEGIBLE = """
() => {
  const parse = text => {
    const numbers = text.match(/-?[\\d.]+/g).map(Number);
    const scaled = text.startsWith('color(') ? numbers.map((x, i) => i < 3 ? x * 255 : x) : numbers;
    return [...scaled.slice(0, 3), scaled.length > 3 ? scaled[3] : 1];
  };
  const luminance = colour => {
    const [r, g, b] = colour.slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || ['TITLE', 'DESC'].includes(element.tagName.toUpperCase())) continue;
    const style = getComputedStyle(element);
    const colour = parse(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [luminance(colour), luminance(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const told = element.textContent.trim();
    if (ratio < 4.5) faint.push(`${element.tagName} ${ratio.toFixed(2)}: ${told}`);
  }
  return faint;
}
"""
OVERFLOWING = """
() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, pre, svg, .unseen')
    && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 40)}`)
"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page_file(folders, tmp_path):
    features = [*(f"whisper-base/layer-{i}" for i in range(7)), "bert-base-uncased/contextual"]
    features += ["demo/aligned", "mean(whisper-base/layer-3, bert-base-uncased/contextual)"]
    results = [folders.results(features=features), folders.results("iemocap", dataset="iemocap")]
    results.append(folders.regression(features=features))
    runs = [folders.run(), folders.run("a-run-with-a-rather-long-name-for-a-phone")]
    (runs[0] / "attention-utt001.svg").write_text(MAP)
    settings = ReportSettings(
        results=tuple(results), runs=tuple(runs), title="Frozen encoders", caution="Synthetic."
    )
    file = tmp_path / "report.html"
    file.write_text(render(settings, read_inputs(results, runs)), encoding="utf-8")
    return file


@pytest.fixture
def opened(browser, page_file):
    """Opens the page from its file; fails at the end on any complaint, or request elsewhere."""
    complaints, contexts = [], []

    def open_at(width: str, scheme: str):
        w, h = WIDTHS[width]
        context = browser.new_context(viewport={"width": w, "height": h}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _note(request.url, complaints))
        page.goto(page_file.as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


def _note(url: str, complaints: list[str]) -> None:
    if not url.startswith(("file:", "data:")):
        complaints.append(f"request to {url}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_its_text_is_legible(opened, width, scheme):
    page = opened(width, scheme)
    assert page.title() == "Frozen encoders"
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= WIDTHS[width][0]
    assert page.evaluate(ILLEGIBLE) == []
    night = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (night == "rgb(255, 255, 255)") == (scheme == "light")


def test_figures_and_pictures_are_shown(opened):
    page = opened("desk", "light")
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('figure svg')].map(e => e.clientWidth)"
    )
    assert len(sizes) >= 6
    assert min(sizes) > 250
    (picture,) = page.query_selector_all("img")
    assert picture.evaluate("e => e.complete && e.naturalWidth > 0")
    assert picture.get_attribute("alt") == "Attention of utt001. Four tokens"


def test_keys_reach_links_and_details(opened):
    page = opened("phone", "light")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.tagName") == "A"
    first = page.query_selector("summary")
    first.focus()
    page.keyboard.press("Enter")
    assert first.evaluate("e => e.parentElement.open")


def test_the_page_prints_on_white_in_dark_mode(opened):
    page = opened("desk", "dark")
    page.emulate_media(media="print")
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")
