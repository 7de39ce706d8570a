"""`tokser encoders`, and the example package, installed as others would install it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.plugins import ENCODERS
from tokser.stages.doctor import doctor

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "tokser-example-plugin"


def listed():
    result = CliRunner().invoke(main, ["encoders", "--json"])
    assert result.exit_code == 0, result.output
    return {one["name"]: one for one in json.loads(result.stdout)["encoders"]}


def test_families_and_opensmile_are_listed():
    known = listed()
    assert "whisper" in known
    assert "non-commercial" in known["opensmile"]["origin"]
    shown = CliRunner().invoke(main, ["encoders"]).output
    assert "opensmile:" in shown


def test_a_broken_package_is_named_and_breaks_nothing(registered, tmp_path):
    registered("other", ENCODERS, {"mine": "no_such_module:load"})
    assert "no_such_module" in listed()["mine"]["fault"]
    (found,) = [one for one in doctor(tmp_path) if one.what == "encoder mine"]
    assert found.state == "note"
    assert found.detail.startswith("other 1.0: ModuleNotFoundError")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--target", site, EXAMPLE], check=True)
    return site


def test_the_example_package_works_once_it_is_installed(installed, tmp_path, write_wav):
    for name in ("anna-froh-01", "anna-wut-02", "ben-froh-01"):
        write_wav(tmp_path / "audio" / f"{name}.wav")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "tokser", *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(installed)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    extract = ("extract", "--dataset", "example-moods", "--root", "audio", "--store", "moods.zarr")
    done = run(*extract, "--encoder", "log-mel:20", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "log-mel-20/log-mel" in done.stdout
    encoders = json.loads(run("encoders", "--json").stdout)["encoders"]
    (found,) = [one for one in encoders if one["name"] == "log-mel"]
    assert (found["origin"], found["fault"]) == ("tokser-example-plugin 1.0.0", "")
    corpora = json.loads(run("corpora", "--json").stdout)["corpora"]
    (moods,) = [one for one in corpora if one["dataset"] == "example-moods"]
    assert moods["registered_by"] == "tokser-example-plugin 1.0.0"
    assert moods["classes"] == ["anger", "happiness"]
