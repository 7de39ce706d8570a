"""What is beside the wheel: extras, the image, the conda recipe, the workflows."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "soundfile": "pysoundfile",
    "torch": "pytorch",
    "xxhash": "python-xxhash",
}
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def run(*command):
    done = subprocess.run(
        [str(part) for part in command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def packages(*lists):
    """Return name and bounds of requirements, those of tokser's own extras in their place."""
    found = set()
    for text in (text for texts in lists for text in texts):
        requirement = Requirement(text)
        if requirement.name == "tokser":
            found |= packages(*(EXTRAS[extra] for extra in requirement.extras))
        else:
            found.add((requirement.name, str(requirement.specifier)))
    return found


def test_all_is_every_extra_but_those_of_developers():
    (everything,) = EXTRAS["all"]
    assert Requirement(everything).extras == set(EXTRAS) - {"all", "dev", "docs"}


def test_a_package_has_the_same_bounds_in_every_extra():
    found = packages(PROJECT["dependencies"], *EXTRAS.values())
    names = [name for name, _ in found]
    assert len(names) == len(set(names))


def test_what_the_core_brings_no_extra_brings_again():
    core = {name for name, _ in packages(PROJECT["dependencies"])}
    assert not core & {name for name, _ in packages(*EXTRAS.values())}


def in_conda(requirements):
    return {(CONDA_NAMES.get(name, name), bounds) for name, bounds in requirements}


def of_recipe(output):
    lines = [
        line for line in output["requirements"]["run"] if not line.startswith(("python ", "$"))
    ]
    found = [Requirement(line.replace(" ", "", 1)) for line in lines]
    return {(r.name, str(r.specifier)) for r in found}


def test_the_conda_recipe_asks_for_what_pyproject_does():
    recipe = yaml.safe_load((REPOSITORY / "packaging" / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == PROJECT["version"]
    assert f">={recipe['context']['python_min']}" == PROJECT["requires-python"]
    core, everything = recipe["outputs"]
    assert of_recipe(core) == in_conda(packages(PROJECT["dependencies"]))
    shipped = packages(*(EXTRAS[extra] for extra in ("features", "train", "predict")))
    assert of_recipe(everything) == in_conda(shipped)


@pytest.mark.skipif(
    shutil.which("hadolint", path=str(Path(sys.executable).parent)) is None,
    reason="no hadolint for this platform",
)
def test_the_dockerfile_is_without_findings():
    run(Path(sys.executable).parent / "hadolint", "Dockerfile")


def test_the_image_is_built_from_what_the_context_holds():
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    copied = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ")]
    assert {name for names in copied for name in names if not name.startswith("-")} - {
        "/opt/tokser"
    } == kept
    assert all((REPOSITORY / name).exists() for name in kept)
    makefile = (REPOSITORY / "Makefile").read_text()
    (version,) = re.findall(r"^UV_VERSION := (.+)$", makefile, re.MULTILINE)
    assert f"ARG UV_VERSION={version}\n" in dockerfile


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one_of_github(workflow):
    check = (
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
    )
    run(*check, workflow)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_what_is_there(workflow):
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    scripts = "\n".join(step["run"] for step in steps if "run" in step)
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for called in re.findall(r"^make (.+)$", scripts, re.MULTILINE):
        assert set(called.split()) <= set(targets)
    for script in re.findall(r"packaging/[\w-]+", scripts):
        assert (REPOSITORY / script).is_file()
    assert all(re.search(r"@v\d|@release/", step["uses"]) for step in steps if "uses" in step)


def test_workflows_try_every_python_that_is_promised():
    promised = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c]
    for workflow in WORKFLOWS:
        (pythons,) = re.findall(r"python-version: (\[.+\])", workflow.read_text())
        assert yaml.safe_load(pythons) == promised
