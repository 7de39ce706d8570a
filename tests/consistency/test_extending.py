"""The pages on extending: their files, applied to a copy of the package, do what they say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted((REPOSITORY / "docs" / "extend").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_example_works_as_it_stands(page, documented, tmp_path):
    shutil.copytree(
        REPOSITORY / "tokser", tmp_path / "tokser", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(REPOSITORY / "data_manifests", tmp_path / "data_manifests")
    wanted = [block for block in documented(page) if block.language in ("python", "diff", "yaml")]
    assert all(not block.verdict for block in wanted)
    scripts = [block.text for block in wanted if not apply(block, tmp_path)]
    assert scripts, "a page without anything to try"
    work = tmp_path / "work"
    work.mkdir()
    for script in scripts:
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            cwd=work,
            env=os.environ | {"PYTHONPATH": str(tmp_path), "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr


def apply(block, root: Path) -> bool:
    """Put a file or a change where it belongs; False for what is to be run instead."""
    if block.language == "diff":
        for change in block.text.split("--- a/")[1:]:
            header, *hunks = change.split("\n@@\n")
            file = root / header.partition("\n")[0]
            for hunk in hunks:
                replace(file, hunk.rstrip("\n").split("\n"))
        return True
    first = block.text.partition("\n")[0]
    if first.startswith(("# tokser/", "# data_manifests/")):
        (root / first.removeprefix("# ")).write_text(block.text, encoding="utf-8")
        return True
    return False


def replace(file: Path, hunk: list[str]) -> None:
    """Change the one place of a file that reads as the hunk's old side."""
    old = "\n".join(line[1:] for line in hunk if line[:1] in ("-", " ", ""))
    new = "\n".join(line[1:] for line in hunk if line[:1] in ("+", " ", ""))
    text = file.read_text(encoding="utf-8")
    assert text.count(f"\n{old}\n") == 1, f"{file.name} has not, or not once:\n{old}"
    file.write_text(text.replace(f"\n{old}\n", f"\n{new}\n"), encoding="utf-8")
