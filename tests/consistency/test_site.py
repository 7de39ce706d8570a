"""The documentation site: links hold, nothing comes from elsewhere, the reference is whole."""

import re
import sys
from pathlib import Path

import click
import pytest

import tokser

REPOSITORY = Path(__file__).resolve().parents[2]
ASSET = re.compile(
    r"""<(?:script|img|link|iframe|source|audio|video|object)\b[^>]*?\b(?:src|href|data)=["']?
    (?P<tag>(?:https?:)?//[^"'\s>]+) | (?:url\(|@import)\s*["']?(?P<css>(?:https?:)?//[^"')\s]+)""",
    re.VERBOSE,
)


@pytest.fixture(scope="module")
def reference():
    """The extension that lists commands."""
    sys.path.insert(0, str(REPOSITORY / "docs" / "_site"))
    import command_reference

    yield command_reference
    sys.path.remove(str(REPOSITORY / "docs" / "_site"))
    del sys.modules["command_reference"]


def pages(folder: Path) -> list[Path]:
    return [page for page in folder.rglob("*.html") if "_modules" not in page.parts]


def test_it_builds_without_a_complaint(site):
    assert site.complaints == ""
    assert (site.folder / "index.html").exists()


def test_every_page_is_built(site):
    for page in REPOSITORY.glob("docs/**/*.md"):
        name = page.relative_to(REPOSITORY / "docs").with_suffix(".html")
        assert (site.folder / name).exists(), name


def test_nothing_is_loaded_from_elsewhere(site):
    found = []
    for file in [*site.folder.rglob("*.html"), *site.folder.rglob("*.css")]:
        for match in ASSET.finditer(file.read_text(encoding="utf-8")):
            found.append((file.name, match["tag"] or match["css"]))
    assert found == []


@pytest.mark.parametrize("asset", ['<script src="https://a.b/c.js">', "@import '//a.b/c.css'"])
def test_what_comes_from_elsewhere_is_seen(asset):
    assert ASSET.search(asset)


def test_each_command_stands_on_one_page(reference):
    written = [
        line
        for page in REPOSITORY.glob("docs/commands/*.md")
        for line in re.findall(r"tokser-command:: (.+)", page.read_text(encoding="utf-8"))
    ]
    assert sorted(written) == sorted(reference.leaves())


def test_each_option_has_its_anchor(site, reference):
    built = "".join(page.read_text() for page in (site.folder / "commands").glob("*.html"))
    for path in reference.leaves():
        command, context = reference.command_at(path)
        for option in command.get_params(context):
            shown = isinstance(option, click.Option) and not option.hidden
            if shown and not {"--help", "--verbose", "--quiet"} & set(option.opts):
                listed = set(option.opts) - set(getattr(option, "_hidden_names", ()))
                name = max(listed, key=len)
                anchor = f"cmdoption-tokser-{path.replace(' ', '-')}-{name.strip('-')}"
                assert f'id="{anchor}"' in built, anchor


def test_an_unknown_command_is_named(reference):
    with pytest.raises(KeyError, match="no command `tokser store infos`"):
        reference.command_at("store infos")


def test_each_public_name_is_documented(site):
    built = (site.folder / "api.html").read_text()
    for name in set(tokser.__all__) - {"__version__", "heads"}:
        assert re.search(rf'id="tokser(\.\w+)*\.{name}"', built), name
    assert 'id="tokser.heads.MLPClassifier"' in built


def test_functions_list_the_settings_behind_keywords(site):
    text = re.sub(r"<[^>]+>", "", (site.folder / "api.html").read_text())
    assert re.search(r"precision \(fp32 \| bf16 \| fp16\): Precision of the encoders", text)


def test_the_changelog_and_contributing_are_pages(site):
    assert "Keep a Changelog" in (site.folder / "changelog.html").read_text()
    assert "One concept per file" in (site.folder / "contributing.html").read_text()
