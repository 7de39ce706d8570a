import re
from xml.etree import ElementTree

from tokser.report.svg import COLOURS, INK, draw


def paint(axes):
    axes.plot([0, 1], [0, 1], "o-", color=COLOURS[1], label="$a_b$ <x>")
    axes.fill_between([0, 1], [0, 1], color=COLOURS[0])
    axes.text(0.2, 0.2, "100 % & <more>", color=INK)
    axes.legend()


def test_the_figure_is_well_formed_and_names_itself():
    text = draw(paint, height=200, title="A <title>", description="From 1 % & up")
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.findtext("title") == "A <title>"
    assert root.findtext("desc") == "From 1 % & up"
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert set(root.get("aria-labelledby").split()) <= ids


def test_labels_stay_text_and_dollars_are_no_formulas():
    root = ElementTree.fromstring(draw(paint, height=200, title="t", description="d"))
    texts = ["".join(element.itertext()).strip() for element in root.iter("text")]
    assert "$a_b$ <x>" in texts


def test_all_colours_come_from_the_page():
    text = draw(paint, height=200, title="t", description="d")
    assert "var(--c1)" in text
    assert "var(--c2)" in text
    assert "var(--ink)" in text
    assert not re.search(r":\s*#[0-9a-fA-F]{6}", text)


def test_every_reference_within_the_figure_is_met():
    text = draw(paint, height=200, title="t", description="d")
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    references = set(re.findall(r'href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text))
    assert references
    assert references <= ids


def test_two_figures_share_no_id():
    first, second = (draw(paint, height=200, title=t, description="d") for t in "ab")
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (first, second)]
    assert not ids[0] & ids[1]


def test_nothing_is_loaded_and_no_style_leaks_onto_the_page():
    text = draw(paint, height=200, title="t", description="d")
    assert "http" not in text
    assert "<style" not in text


def test_the_same_figure_gives_the_same_text():
    assert draw(paint, height=200, title="t", description="d") == draw(
        paint, height=200, title="t", description="d"
    )
