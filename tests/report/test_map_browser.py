"""The map of utterances in Chromium: by mouse, by keys, with sound, and without scripts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

import tokser
from tokser.config import ReportSettings
from tokser.report.coordinates import Coordinates
from tokser.report.explore import map_panel
from tokser.report.inputs import read_inputs
from tokser.report.page import render
from tokser.report.predicted_utterances import PredictedUtterances
from tokser.report.scores import Configuration
from tokser.report.sections import find_sections
from tokser.report.utterance_map import UtteranceMap

MOST_S = 2.0
"""Within which a page of IEMOCAP's size opens."""
NUM_IEMOCAP = 5_531
LINKS = """
() => [...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href').slice(1))
  .filter(id => !document.getElementById(id))
"""


@pytest.fixture(scope="module")
def page_file(explorable, tmp_path_factory):
    return tokser.report(
        explorable.results,
        map=True,
        audio=3,
        errors=5,
        roots=explorable.root,
        out=tmp_path_factory.mktemp("map") / "page.html",
    )


@pytest.fixture
def opened(open_page, page_file):
    page = open_page(page_file)
    page.locator(".plane").scroll_into_view_if_needed()
    return page


def chosen(page) -> str:
    return page.locator(".chosen p").inner_text()


def shown(page) -> int:
    return page.evaluate(
        "() => [...document.querySelectorAll('.marks path:not(.playable)')]"
        ".map(p => (p.getAttribute('d').match(/M/g) || []).length).reduce((a, b) => a + b, 0)"
    )


@pytest.mark.parametrize("width", ["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_is_drawn_and_fits(open_page, page_file, width, scheme):
    page = open_page(page_file, width, scheme)
    assert shown(page) == 48
    assert page.evaluate(LINKS) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= (
        375 if width == "phone" else 1280
    )
    inks = page.evaluate(
        "() => ['.mark.c1', 'body'].map(name => getComputedStyle(document.querySelector(name)))"
        ".map((style, i) => i ? style.backgroundColor : style.color)"
    )
    assert inks[0] != inks[1]


def test_arrow_keys_lead_past_every_utterance(opened, explorable):
    opened.locator(".plane").focus()
    opened.keyboard.press("Home")
    seen = {chosen(opened).partition(":")[0]}
    for _ in range(47):
        opened.keyboard.press("ArrowRight")
        seen.add(chosen(opened).partition(":")[0])
    assert seen == set(explorable.store.ids)
    last = chosen(opened)
    opened.keyboard.press("ArrowRight")
    assert chosen(opened) == last
    opened.keyboard.press("ArrowUp")
    assert chosen(opened) != last


def test_pointing_shows_what_an_utterance_is(opened):
    opened.locator(".finder").fill("utt007")
    assert chosen(opened).startswith("utt007: ")
    ring = opened.locator(".here").bounding_box()
    opened.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    tip = opened.locator(".tip").inner_text().split("\n")
    assert tip[0] == "utt007"
    assert "predicted" in tip[1] and tip[2].startswith("speaker s")
    opened.mouse.move(5, 5)
    assert opened.locator(".tip").is_hidden()
    opened.locator(".finder").fill("nobody")
    assert chosen(opened) == "No utterance has nobody in its id."


def test_a_click_plays_the_recording_on_the_page(opened):
    sound = opened.locator("audio").first
    name = sound.get_attribute("data-utterance")
    opened.locator(".finder").fill(name)
    ring = opened.locator(".here").bounding_box()
    opened.mouse.click(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    opened.wait_for_function("() => !document.querySelector('audio').paused")
    assert sound.evaluate("e => e.duration") == pytest.approx(0.5, abs=0.05)
    assert opened.locator(".chosen button").is_visible()


def test_an_utterance_without_sound_has_its_path(opened, explorable):
    sounds = opened.locator("audio").all()
    playable = {sound.get_attribute("data-utterance") for sound in sounds}
    without = next(name for name in explorable.store.ids[1:] if name not in playable)
    opened.locator(".finder").fill(without)
    assert f"recording: wav/{without}.wav, not on this page" in chosen(opened)
    assert opened.locator(".chosen button").is_hidden()


def test_groups_are_hidden_and_shown(opened):
    opened.locator(".colouring").select_option(label="Speaker")
    buttons = opened.locator(".legend button")
    assert buttons.count() == 4
    buttons.first.click()
    assert buttons.first.get_attribute("aria-pressed") == "false"
    assert shown(opened) == 36
    buttons.nth(1).click(modifiers=["Shift"])
    assert shown(opened) == 12
    buttons.nth(1).click(modifiers=["Shift"])
    assert shown(opened) == 48
    opened.locator(".colouring").select_option(label="Correct or not")
    assert shown(opened) == 48


def test_zooming_keeps_the_chosen_utterance_in_view(opened):
    opened.locator(".plane").focus()
    opened.keyboard.press("Home")
    for _ in range(5):
        opened.keyboard.press("+")
    width = "() => document.querySelector('.plane > svg').viewBox.baseVal.width"
    assert opened.evaluate(width) < 100
    opened.keyboard.press("End")
    ring, plane = (opened.locator(n).bounding_box() for n in (".here", ".plane"))
    assert plane["x"] <= ring["x"] <= plane["x"] + plane["width"]
    opened.keyboard.press("0")
    assert opened.evaluate(width) == 640


def test_an_id_cannot_end_the_data(opened, explorable):
    opened.locator(".finder").fill(explorable.odd)
    assert chosen(opened).startswith(f"{explorable.odd}: ")


def test_screen_readers_hear_the_map(opened):
    plane = opened.locator(".plane")
    assert plane.get_attribute("role") == "application"
    assert "map of utterances" in plane.get_attribute("aria-label")
    described = plane.get_attribute("aria-describedby")
    assert "arrow key" in opened.locator(f"#{described}").inner_text()
    assert opened.locator(".chosen p").get_attribute("role") == "status"


@pytest.mark.slow
@pytest.mark.parametrize("part", [".utterance-map", ".recordings"])
def test_axe_core_finds_no_violation(opened, part):
    opened.evaluate("() => document.querySelectorAll('details').forEach(e => { e.open = true; })")
    opened.locator(".plane").focus()
    opened.keyboard.press("Home")
    found = Axe().run(opened, context=part, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def test_without_scripts_there_are_picture_and_lists(open_page, page_file):
    page = open_page(page_file, java_script_enabled=False)
    assert page.locator(".plane > svg .marks path").count() == 3
    assert page.locator(".utterance-map .controls").is_hidden()
    assert page.locator(".legend").inner_text().count("16") == 3
    assert page.locator("noscript").first.inner_text().startswith("Without scripts")
    page.locator(".recordings summary").first.click()
    assert page.locator(".recordings audio").first.is_visible()


@pytest.fixture(scope="module")
def large(make_folders, tmp_path_factory):
    """A page with a map of as many utterances as IEMOCAP has."""
    rng = np.random.default_rng(0)
    ids = [f"Ses0{i % 5 + 1}F_impro{i % 8:02d}_F{i:05d}" for i in range(NUM_IEMOCAP)]
    table = pd.DataFrame(
        {
            "label": rng.choice(["anger", "happiness", "neutral", "sadness"], NUM_IEMOCAP),
            "prediction": rng.choice(["anger", "happiness", "neutral", "sadness"], NUM_IEMOCAP),
            "probability": rng.uniform(0.3, 1, NUM_IEMOCAP),
            "speaker": [f"speaker {i % 10}" for i in range(NUM_IEMOCAP)],
            "transcript": ["Well, I don't know what you would like me to say."] * NUM_IEMOCAP,
            "path": [f"Session1/sentences/wav/{name[:14]}/{name}.wav" for name in ids],
        },
        index=pd.Index(ids, name="id"),
    )
    table["is_correct"] = table["label"] == table["prediction"]
    row = Configuration("layer-1", "logreg", "0", "", "layer-1")
    predicted = PredictedUtterances(row, "speaker", table, pd.DataFrame(index=table.index))
    places = Coordinates(rng.normal(size=(NUM_IEMOCAP, 2)), "PC 1", "PC 2", "")
    results = make_folders().results("iemocap", dataset="iemocap")
    inputs, settings = read_inputs([results]), ReportSettings(results=(results,))
    (section,) = find_sections(inputs)
    panel = map_panel("iemocap-map", UtteranceMap(predicted, places, "layer-1", "IEMOCAP"))
    file = tmp_path_factory.mktemp("large") / "page.html"
    text = render(settings, inputs, [replace(section, panels=[*section.panels, panel])])
    file.write_text(text, encoding="utf-8")
    return file


def test_a_page_of_the_size_of_iemocap_opens_in_time(open_page, large):
    assert large.stat().st_size < 3_000_000
    page = open_page(large)
    timing = "() => performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"
    page.wait_for_function("() => performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    assert shown(page) == NUM_IEMOCAP
    assert page.evaluate(timing) < MOST_S
    page.locator(".plane").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.locator(".colouring").select_option(label="Speaker")
    assert page.locator(".legend button").count() == 10
