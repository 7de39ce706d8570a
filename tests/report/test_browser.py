"""The page in Chromium: on a phone and on a desk, in light and in dark mode."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tokser.config import ReportSettings
from tokser.report.inputs import read_inputs
from tokser.report.page import render

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
def page_file(make_folders):
    folders = make_folders()
    features = [*(f"whisper-base/layer-{i}" for i in range(7)), "bert-base-uncased/contextual"]
    features += ["demo/aligned", "mean(whisper-base/layer-3, bert-base-uncased/contextual)"]
    features += [f"wavlm-large/layer-{i}" for i in range(0, 25, 2)]
    results = [folders.results(features=features), folders.results("iemocap", dataset="iemocap")]
    results += [folders.regression(features=features[:9]), folders.probes(), folders.similarity()]
    runs = [folders.run(), folders.run("a-run-with-a-rather-long-name-for-a-phone")]
    (runs[0] / "attention-utt001.svg").write_text(MAP)
    return _written(folders, results, runs)


def _written(folders, results, runs):
    settings = ReportSettings(
        results=tuple(results), runs=tuple(runs), title="Frozen encoders", caution="Synthetic."
    )
    file = folders.root / "report.html"
    file.write_text(render(settings, read_inputs(results, runs)), encoding="utf-8")
    return file


@pytest.fixture
def opened(open_page, page_file):
    """Opens the page in one of the widths and colour schemes."""
    return lambda width, scheme, **options: open_page(page_file, width, scheme, **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["phone", "desk"])
def test_the_page_fits_and_its_text_is_legible(opened, width, scheme):
    page = opened(width, scheme)
    assert page.title() == "Frozen encoders"
    assert page.evaluate(OVERFLOWING) == []
    assert (
        page.evaluate("() => document.documentElement.scrollWidth") <= page.viewport_size["width"]
    )
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
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the results"
    assert page.evaluate("() => document.activeElement.getBoundingClientRect().width") > 100
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "content"
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


@pytest.fixture(scope="module")
def small_page(make_folders):
    """One of everything: axe-core looks at each text many times."""
    folders = make_folders()
    features = ["whisper-base/layer-0", "whisper-base/layer-1", "w/layer-2", "w/layer-12"]
    results = [folders.results(features=features), folders.regression(targets=["valence"])]
    results += [folders.probes(targets=["emotion", "duration"], num_layers=2)]
    results += [folders.probes("many", num_layers=11, encoder="egemaps-")]
    return _written(folders, results, [folders.run()])


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["phone", "desk"])
def test_axe_core_finds_no_violation(open_page, small_page, width, scheme):
    page = open_page(small_page, width, scheme)
    page.evaluate("() => document.querySelectorAll('details').forEach(e => { e.open = true; })")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def test_everything_is_readable_without_scripts(opened):
    count = "() => [...document.querySelectorAll('table')].map(t => t.rows.length)"
    plain, scripted = opened("desk", "light", java_script_enabled=False), opened("desk", "light")
    tables = plain.locator("table")
    assert tables.evaluate_all("all => all.map(t => t.rows.length)") == scripted.evaluate(count)
    assert plain.locator("th button, input").count() == 0
    assert scripted.locator("th button").count() > 100
