"""The commands that the documentation shows are commands that there are."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from tokser.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def shown(program: str) -> list[str]:
    found = []
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith(f"{program} "):
                    found.append(line)
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
    arguments = shlex.split(line, comments=True)[1:]
    result = subprocess.run(
        ["make", "--dry-run", "--always-make", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_the_readme_opens_with_its_two_commands():
    readme = (REPOSITORY / "README.md").read_text()
    first, second = BLOCK.findall(readme)[:2]
    assert (first.strip(), second.strip()) == ("make demo", "make test")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_hold(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
