"""What the documentation shows is what there is: every command and program in it is run."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import GridSettings, PretrainSettings

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
RUN_IN_THE_WORKSHOP = [
    page
    for page in PAGES
    if re.search(r"```(bash|python|json|yaml)", page.read_text(encoding="utf-8"))
    and page.parent.name != "extend"  # test_extending.py
]
MADE_HERE = ("extract-librispeech",)
"""Make targets whose commands are run; of all others it is enough that they are there."""


def shown(program: str) -> list[str]:
    found = []
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip().startswith(f"{program} "):
                    found.append(line.strip().removesuffix("&"))
    return found


@pytest.mark.parametrize("line", shown("tokser"))
def test_every_tokser_command_parses(line):
    arguments = shlex.split(line, comments=True)[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        name, command, arguments = command.resolve_command(context, arguments)
        assert command is not None
    command.make_context(name, arguments)


@pytest.mark.parametrize("line", shown("make"))
def test_every_make_target_is_there(line):
    dry_run(shlex.split(line, comments=True)[1:])


def dry_run(arguments: list[str]) -> str:
    result = subprocess.run(
        ["make", "--dry-run", "--always-make", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == tokser.__version__


def test_the_readme_opens_with_its_two_commands():
    readme = (REPOSITORY / "README.md").read_text()
    first, second = BLOCK.findall(readme)[:2]
    assert (first.strip(), second.strip()) == ("make demo", "make test")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_hold(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_index_leads_to_every_page():
    """An example package stands there by its README; `conf.py` and `_site` build the site."""
    index = (REPOSITORY / "docs" / "index.md").read_text()
    packages = [found.parent for found in REPOSITORY.glob("docs/**/pyproject.toml")]
    for page in REPOSITORY.glob("docs/**/*.*"):
        if page.name != "README.md" and any(page.is_relative_to(own) for own in packages):
            continue
        if page.name in ("conf.py", "index.md") or page.parent.name == "_site":
            continue
        if page.suffix in (".md", ".py"):
            assert f"({page.relative_to(REPOSITORY / 'docs').as_posix()})" in index, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_that_is_not_run_here_says_why_or_where(page, documented):
    for block in documented(page):
        if block.verdict == "run by":
            test = (REPOSITORY / block.reason).read_text(encoding="utf-8")
            assert page.name in test, f"{block.reason} does not speak of {page.name}"
        elif block.verdict:
            assert len(block.reason) > 10


@pytest.fixture
def short_training(monkeypatch):
    """One epoch instead of thirty, four points instead of eighteen; the rest is as a page shows."""
    monkeypatch.setattr(GridSettings.model_fields["batch_sizes"], "default", (16, 32))
    for settings in (GridSettings, PretrainSettings):
        monkeypatch.setattr(settings.model_fields["epochs"], "default", 1)
        settings.model_rebuild(force=True)
    yield
    monkeypatch.undo()
    for settings in (GridSettings, PretrainSettings):
        settings.model_rebuild(force=True)


@pytest.mark.parametrize("page", RUN_IN_THE_WORKSHOP, ids=lambda page: page.name)
def test_every_block_of_a_page_runs(
    page, documented, workshop, tmp_path, monkeypatch, short_training
):
    wanted = [b for b in documented(page) if not b.verdict and b.language not in ("", "text")]
    if not wanted:
        return
    here = tmp_path / "here"
    shutil.copytree(workshop, here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    names: dict[str, object] = {}
    for block in wanted:
        match block.language:
            case "python":
                exec(compile(block.text, str(page), "exec"), names)
            case "bash":
                run_lines(block.text)
            case "json":
                json.loads(block.text)
            case "yaml":
                yaml.safe_load(block.text)
            case other:
                pytest.fail(f"{page.name}: a block in {other} is neither run nor explained")


def run_lines(text: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "tokser":
            result = CliRunner().invoke(main, words[1:])
            assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"
        elif words[0] == "make":
            commands = dry_run(words[1:])
            if words[1] in MADE_HERE:
                made = commands.replace("\\\n", " ").replace(".venv/bin/tokser", "tokser")
                run_lines("\n".join(x for x in made.splitlines() if x.startswith("tokser")))
        else:
            pytest.fail(f"only tokser and make are run: {line!r} needs a reason above its block")
