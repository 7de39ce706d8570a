import pytest
from matplotlib.colors import is_color_like, to_rgb

from tokser.report.palette import DARK, LIGHT, contrast, named

THEMES = {"day": LIGHT, "night": DARK}


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#777777", "#777777", 1), ("#767676", "#ffffff", 4.54)],
)
def test_contrast_is_what_the_guidelines_say(one, other, ratio):
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(one, other) == contrast(other, one)


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_legible_on_every_ground(theme):
    colours = THEMES[theme]
    for text in ("ink", "muted"):
        for ground in ("paper", "panel"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["ink"], colours["warn-paper"]) >= 4.5
    for ground in ("paper", "panel", "warn-paper"):
        assert contrast(colours["warn"], colours[ground]) >= 4.5, ground
    assert contrast(colours["c1"], colours["paper"]) >= 4.5  # links


@pytest.mark.parametrize("theme", THEMES)
def test_lines_stand_out_from_the_paper(theme):
    colours = THEMES[theme]
    for number in range(1, 7):
        assert contrast(colours[f"c{number}"], colours["paper"]) >= 3, number


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_legible_on_the_darkest_cell_of_a_matrix(theme):
    colours = THEMES[theme]
    mixed = [
        round(255 * (0.45 * a + 0.55 * b))
        for a, b in zip(to_rgb(colours["heat"]), to_rgb(colours["paper"]), strict=True)
    ]
    ground = "#" + "".join(f"{value:02x}" for value in mixed)
    assert contrast(colours["ink"], ground) >= 4.5


def test_both_themes_have_the_same_colours():
    assert list(LIGHT) == list(DARK)


def test_names_of_colours_are_forgotten_again():
    with named({"tokser:test": "#123456"}):
        assert is_color_like("tokser:test")
    assert not is_color_like("tokser:test")
