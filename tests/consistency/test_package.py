"""What is built installs, runs, and has everything within, away from the checkout."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PIPELINES = sorted(path.name for path in (REPOSITORY / "pipelines").glob("*.yaml"))
KNOWN = sorted(p.name for p in (REPOSITORY / "data_manifests").iterdir() if p.is_file())

LOAD_EVERYTHING = f"""
import tokser
from tokser.corpora.download.published import published_archives
from tokser.pipeline import load_pipeline
from tokser.shipped import shipped_file
for name in {PIPELINES}:
    print(load_pipeline(shipped_file("pipelines", name)).name)
for name in {KNOWN}:
    shipped_file("data_manifests", name)
published_archives("emodb")
print(tokser.__file__)
"""


def run(*command, cwd=None):
    # Nothing of the checkout may be found by chance: neither by PYTHONPATH nor by the folder.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution, and the wheel that comes of it alone."""
    folder = tmp_path_factory.mktemp("dist")
    hatch = (sys.executable, "-m", "hatchling", "build")
    run(*hatch, "--target", "sdist", "--directory", folder, cwd=REPOSITORY)
    (sdist,) = folder.glob("tokser-*.tar.gz")
    with tarfile.open(sdist) as file:
        file.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    run(*hatch, "--target", "wheel", "--directory", folder, cwd=source)
    (wheel,) = folder.glob("tokser-*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A new environment with the wheel in it, which borrows every other package of this one."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    run(folder / "bin" / "pip", "install", "--quiet", "--no-index", "--no-deps", built[1])
    # Behind its own packages, and without what this one's .pth files add (tokser as it is here).
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def test_the_wheel_holds_the_package_and_what_is_shipped(built):
    with zipfile.ZipFile(built[1]) as file:
        names = set(file.namelist())
    for name in PIPELINES:
        assert f"tokser/_shipped/pipelines/{name}" in names
    for name in KNOWN:
        assert f"tokser/_shipped/data_manifests/{name}" in names
    own = {
        path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "tokser").rglob("*.py")
    }
    assert own <= names
    assert {"tokser/py.typed", "tokser/report/templates/page.html.jinja"} <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_the_source_distribution_holds_what_the_wheel_is_made_of(built):
    with tarfile.open(built[0]) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "requirements.txt"} <= names
    assert {f"pipelines/{name}" for name in PIPELINES} <= names
    assert {f"data_manifests/{name}" for name in KNOWN} <= names
    assert not [name for name in names if name.startswith(("tests/", ".ci/", ".github/"))]


def test_the_installed_command_helps_and_the_module_too(installed, tmp_path):
    text = run(installed / "tokser", "--help", cwd=tmp_path)
    assert re.search(r"extract +Run frozen encoders", text)
    assert run(installed / "python", "-m", "tokser", "--help", cwd=tmp_path) == text


def test_the_installed_doctor_finds_nothing_wrong(installed, tmp_path):
    assert "match each other" in run(installed / "tokser", "doctor", cwd=tmp_path)


def test_the_installed_package_loads_every_shipped_file(installed, tmp_path):
    *names, where = run(installed / "python", "-c", LOAD_EVERYTHING, cwd=tmp_path).splitlines()
    assert len(names) == len(PIPELINES)
    assert Path(where).is_relative_to(installed.parent)
