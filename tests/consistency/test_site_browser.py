"""The documentation site in Chromium, from its folder: on a phone, on a desk, dark, light."""

import pytest
from axe_playwright_python.sync_playwright import Axe

PAGES = ("index", "emodb", "leaks", "commands/experiments", "api", "statistics", "architecture")
WIDER_THAN_THE_WINDOW = """
() => document.documentElement.scrollWidth - document.documentElement.clientWidth
"""


@pytest.fixture
def opened(site, open_page):
    """Opens a page of the site; what its console or the network says fails the test."""
    return lambda name, *how: open_page(site.folder / f"{name}.html", *how)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["large phone", "wide"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_window(opened, name, width, scheme):
    page = opened(name, width, scheme)
    assert page.locator("h1").is_visible()
    assert page.evaluate(WIDER_THAN_THE_WINDOW) == 0
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


def test_the_navigation_opens_on_a_phone(opened):
    page = opened("leaks", "large phone")
    page.locator("button.primary-toggle").click()
    page.locator("dialog").get_by_role("link", name="Guides").first.wait_for(state="visible")


def test_the_search_works_without_a_server(opened, site):
    page = opened("index", "wide")
    page.goto(f"{(site.folder / 'search.html').as_uri()}?q=conformal")
    page.locator("#search-results li a").first.wait_for(state="visible")
    assert "How far probabilities" in page.locator("#search-results").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "leaks"])
def test_a_page_is_accessible(opened, name, scheme):
    # Without preloading style sheets, which a page opened from its folder may not.
    found = Axe().run(opened(name, "wide", scheme), options={"preload": False})
    violations = found.response["violations"]
    told = {one["id"]: [node["html"][:120] for node in one["nodes"][:3]] for one in violations}
    assert told == {}
